// The page shows what the server tells, and sends what is clicked. It decides nothing, and keeps nothing.
"use strict";

const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
const byBoard = (selector, board) => $$(selector).filter((one) => Object.values(one.dataset).includes(board));

// --- what is sent ---------------------------------------------------------------------------------------------------

async function send(address, body, where) {
  const wrong = where && ($(".wrong", where) || $("[data-wrong]", where));
  if (wrong) wrong.textContent = "";
  const file = body instanceof Blob;
  let answer, told = {};
  try {
    answer = await fetch(address, {
      method: "POST",
      body: file ? body : JSON.stringify(body || {}),
      headers: { "content-type": file ? "application/octet-stream" : "application/json" },
    });
    if (answer.status !== 204) told = await answer.json();
  } catch {
    told = { message: "flashpipe does not answer: it was stopped, or the tunnel to it is closed" };
  }
  if (answer && answer.ok) return told;
  const text = [told.message || "that did not work", told.next ? `next: ${told.next}` : ""].filter(Boolean).join("\n");
  if (wrong) wrong.textContent = text;
  else speak(text, true);
  return null;
}

function fields(form, submitter) {
  const found = {};
  for (const [name, value] of new FormData(form)) if (typeof value === "string") found[name] = value;
  if (submitter && submitter.name) found[submitter.name] = submitter.value;
  return found;
}

function around(element) {
  return element.closest("form, section, main");
}

async function post(element) {
  if (element.dataset.ask && !window.confirm(element.dataset.ask)) return;
  const values = element.dataset.values ? JSON.parse(element.dataset.values) : {};
  if (element.dataset.rm) values.rm = element.dataset.rm;
  const told = await send(element.dataset.post, values, around(element));
  if (told) go(told.go || element.dataset.go);
}

function go(address) {
  if (address) location.assign(address);
}

function choose() {
  const form = $("#choice");
  return form && send(form.dataset.choice, fields(form), form);
}

async function drop(zone, files) {
  if (!files.length) return;
  const form = $("#choice");
  const made = await send(zone.dataset.drop, {}, form);
  if (!made) return;
  for (const file of files) {
    if (await send(`${zone.dataset.drop}/${made.set}?name=${encodeURIComponent(file.name)}`, file, form)) continue;
    return stillChosen(form);
  }
  if (!(await send(form.dataset.choice, { ...fields(form), set: made.set }, form))) stillChosen(form);
}

function stillChosen(form) {
  const before = $("[data-chosen]");
  if (before) $(".wrong", form).textContent += `\n${before.textContent} is still chosen`;
}

async function put(address, files, where, more) {
  const made = files.length && (await send("/uploads", { board: "1" }, where));
  if (!made) return false;
  for (const [name, data] of files) {
    if (!(await send(`/uploads/${made.set}?name=${encodeURIComponent(name)}`, data, where))) return false;
  }
  return Boolean(await send(address, { set: made.set, ...more }, where));
}

function dropped(zone, files) {
  if (zone.dataset.drop) return drop(zone, files);
  return put(zone.dataset.put, files.map((file) => [file.name, file]), zone);
}

document.addEventListener("click", (event) => {
  const element = event.target.closest("button, a");
  if (!element) return;
  if (element.dataset.post) post(element);
  else if (element.dataset.copy) copy(element);
  else if ("forget" in element.dataset) {
    const form = $("#choice");
    send(form.dataset.choice, { ...fields(form), forget: "1" }, form);
  } else if ("profile" in element.dataset) {
    $("#choice select[name=profile]").value = element.dataset.profile;
    choose();
  } else if (element.dataset.fetch) fetchFile(element);
  else if ("print" in element.dataset) window.print();
});

async function copy(button) {
  const code = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(code.textContent);
  } catch {
    getSelection().selectAllChildren(code);
    document.execCommand("copy");
  }
  speak("copied");
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.method === "get" && form.hasAttribute("action")) return;
  event.preventDefault();
  if (form.id === "choice") choose();
  else if (form.dataset.type) type(form);
  else if (form.dataset.editor) save(form, event.submitter);
  else if (form.dataset.post) {
    const address = (event.submitter && event.submitter.getAttribute("formaction")) || form.dataset.post;
    const told = await send(address, fields(form, event.submitter), form);
    if (told) go(told.go);
  }
});

document.addEventListener("change", (event) => {
  const input = event.target;
  if (input.id === "tick-all") for (const box of $$("#ticks input")) box.checked = input.checked;
  if (input.closest("#ticks")) tickAll();
  const zone = input.closest("[data-drop], [data-put]");
  if (input.type === "file" && zone) {
    const files = [...input.files];
    dropped(zone, files).then(() => { input.value = ""; });
  } else if (input.form && input.form.id === "choice") choose();
});

// Beside a box, a file is a firmware; among the Lua files, it is one of them.
function zoneAt(target) {
  const within = (selector) => target.closest && target.closest(selector);
  return within("[data-drop], [data-put]") || $(within("#lua") ? "[data-put]" : "[data-drop]");
}

for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    if (!event.dataTransfer || !event.dataTransfer.types.includes("Files")) return; // text that is moved within a field
    event.preventDefault();
    const zone = zoneAt(event.target);
    $$(".over").forEach((one) => one.classList.remove("over"));
    if (kind === "drop") $("#nowhere").hidden = Boolean(zone);
    if (!zone) return;
    if (kind === "dragover") zone.classList.add("over");
    if (kind === "drop") dropped(zone, [...event.dataTransfer.files]);
  });
}

// --- console --------------------------------------------------------------------------------------------------------

const MOST_TEXT = 200000;
const typed = JSON.parse(sessionStorage.getItem("typed") || "[]");
let recalled = typed.length;

async function type(form) {
  const line = form.elements.line.value;
  if (!(await send(form.dataset.type, { line }, form))) return;
  if (line && typed.at(-1) !== line) typed.push(line);
  sessionStorage.setItem("typed", JSON.stringify(typed.slice(-100)));
  recalled = typed.length;
  fill(form.elements.line, "");
}

function fill(area, text) {
  area.value = text;
  grow(area);
}

// Lines that are pasted stay lines.
function grow(area) {
  area.rows = Math.min(area.value.split("\n").length, 10);
}

document.addEventListener("keydown", (event) => {
  const area = event.target, form = area.closest("form[data-type]");
  if (!form || area.name !== "line" || event.isComposing) return;
  if (event.key === "Enter" && !event.shiftKey) form.requestSubmit();
  else if (event.key === "ArrowUp" && !area.value.slice(0, area.selectionStart).includes("\n")) recall(area, -1);
  else if (event.key === "ArrowDown" && !area.value.slice(area.selectionEnd).includes("\n")) recall(area, 1);
  else return;
  event.preventDefault();
});

function recall(area, by) {
  recalled = Math.max(0, Math.min(typed.length, recalled + by));
  fill(area, typed[recalled] || "");
}

// The text stands in pieces of whole lines: what is new costs no more where much stands there already.
const PIECE = 4000, screens = new WeakMap();

function hear(message) {
  for (const screen of byBoard("[data-text]", message.board)) {
    const known = Number(screen.dataset.to || 0);
    if (!message.all && message.to <= known) continue;
    const follows = screen.scrollHeight - screen.scrollTop - screen.clientHeight < 40;
    if (message.all || !screens.has(screen)) begin(screen, message.all ? "" : screen.textContent);
    const missing = message.all ? 0 : message.from - known;
    if (missing > 0 && known) write(screen, `\n-- ${missing} characters left out\n`);
    write(screen, missing < 0 ? [...message.text].slice(-missing).join("") : message.text);
    screen.dataset.to = message.to;
    if (follows) screen.scrollTop = screen.scrollHeight;
  }
}

function begin(screen, text) {
  screen.textContent = "";
  screens.set(screen, { open: "", size: 0, last: null });
  write(screen, text);
}

function write(screen, text) {
  const state = screens.get(screen);
  let open = state.open + text;
  while (/[^\b\n]\x08/.test(open)) open = open.replace(/[^\b\n]\x08/g, "");
  while (open.length > PIECE) {
    const at = open.lastIndexOf("\n", PIECE) + 1 || PIECE;
    showPiece(screen, state, open.slice(0, at));
    state.size += at;
    state.last = null;
    open = open.slice(at);
  }
  showPiece(screen, state, open);
  state.open = open;
  while (state.size > MOST_TEXT) {
    state.size -= screen.firstChild.textContent.length;
    screen.firstChild.remove();
  }
}

function showPiece(screen, state, text) {
  if (!state.last) {
    state.last = document.createElement("span");
    screen.append(state.last);
  }
  state.last.textContent = text;
}

// --- files of the board ---------------------------------------------------------------------------------------------

const awaited = new Map();

async function fetchFile(button) {
  const { name, boardOf, fetch: what } = button.dataset;
  awaited.set(`${boardOf} ${name}`, what);
  await send(`/boards/${boardOf}/do/fetch`, { cat: name }, around(button));
}

async function arrived(message) {
  for (const name of message.names) {
    const what = awaited.get(`${message.board} ${name}`);
    if (!what) continue;
    awaited.delete(`${message.board} ${name}`);
    const answer = await fetch(`/boards/${message.board}/fetched?name=${encodeURIComponent(name)}`);
    if (!answer.ok) continue;
    if (what === "edit") edit(name, await answer.arrayBuffer());
    else keep(name, await answer.blob());
  }
}

function keep(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

const LF = "\n", CRLF = "\r\n";
let ends = LF, saved = "";

// Digests of what was opened or saved here, by name: of anything else on the board it is asked before it is replaced.
const seen = new Map();

async function see(name, data) {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", await data.arrayBuffer()));
  const digest = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  seen.set(name, [...(seen.get(name) || []), digest]);
  return digest;
}

// A text is saved once the board has it.
const sending = new Map();

function sent(message) {
  for (const digest of message.digests) saved = sending.get(digest) ?? saved;
}

// What the editor could not give back byte by byte is not opened in it.
function edit(name, bytes) {
  const form = $("#editor"), area = form.elements.text;
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    text = "\0";
  }
  const plain = text.replaceAll(CRLF, LF);
  const found = plain.length < text.length ? CRLF : LF;
  const why = /[\0-\x08\x0b\x0e-\x1f]/.test(text) ? "is no text in UTF-8"
    : plain.replaceAll(LF, found) !== text || plain.includes("\r") ? "has line ends of several kinds" : "";
  if (why) {
    complain(form, `${name} ${why}: the editor would change it. Download it instead`);
    return;
  }
  if (area.value !== saved && !window.confirm(`The text of ${form.elements.name.value} is not saved. Throw it away?`)) return;
  complain(form, "");
  ends = found;
  form.elements.name.value = name;
  area.value = saved = plain;
  see(name, new Blob([bytes]));
  number();
  area.focus();
}

function complain(where, text) {
  $(".wrong", where).textContent = text;
  if (text) where.scrollIntoView({ block: "nearest" });
}

function number() {
  const area = $("#file-text"), gutter = $("[data-numbers]");
  if (!area) return;
  const lines = area.value.split("\n").length;
  if (gutter.childElementCount !== lines || !gutter.dataset.lines) {
    gutter.textContent = Array.from({ length: lines }, (_, at) => at + 1).join("\n");
    gutter.dataset.lines = lines;
  }
  gutter.scrollTop = area.scrollTop;
}

async function save(form, submitter) {
  const board = form.dataset.editor, area = form.elements.text, name = form.elements.name.value.trim();
  const verb = submitter ? submitter.value : "save";
  if (verb === "selection") {
    const code = area.value.slice(area.selectionStart, area.selectionEnd) || area.value;
    await send(`/boards/${board}/do/lua`, { code }, form);
    return;
  }
  const text = area.value, data = new Blob([text.replaceAll(LF, ends)]);
  const known = (seen.get(name) || []).join();
  sending.set(await see(name, data), text);
  await put(`/boards/${board}/put`, [[name, data]], form, { known, ...(verb === "run" && { run: "1" }) });
}

document.addEventListener("input", (event) => {
  if (event.target.id === "file-text") number();
  else if (event.target.name === "line") grow(event.target);
});
document.addEventListener("scroll", (event) => { if (event.target.id === "file-text") number(); }, true);

// --- what is told ---------------------------------------------------------------------------------------------------

function speak(text, loud) {
  const place = $(loud ? "#say-loud" : "#say");
  place.textContent = "";
  requestAnimationFrame(() => { place.textContent = text; });
}

function show(message) {
  for (const place of byBoard(`[data-part="${message.part}"]`, message.board)) {
    if (place.dataset.board !== message.board || place.dataset.shown === message.html) continue;
    place.dataset.shown = message.html;
    const active = document.activeElement, focused = place !== active && place.contains(active);
    const open = $$("details", place).map((one) => one.open);
    place.innerHTML = message.html; // made by our templates, which escape whatever is not theirs
    $$("details", place).forEach((one, at) => { one.open = Boolean(open[at]); });
    if (focused) focusAgain(place, active);
    if (message.part === "work" && $("#answer-yes", place)) $("#answer-no", place).focus();
  }
}

// The keyboard goes on where it was; where that is gone, beside it, and never at the top of the page.
function focusAgain(place, lost) {
  const same = (one) => lost.id ? one.id === lost.id : one.outerHTML === lost.outerHTML;
  const next = $$("a, button, summary, input, select, [tabindex]", place).find(same)
    || $(".verdict[tabindex]", place) || $("button, a", place) || place;
  if (next === place) place.tabIndex = -1;
  next.focus();
}

function bar(message) {
  for (const place of byBoard("[data-bar]", message.board)) {
    const progress = $("progress", place);
    place.hidden = false;
    progress.max = message.total;
    progress.value = message.done;
    $("span", place).textContent = `${message.step}: ${message.text}`;
  }
  if (message.say) speak(message.say);
}

function order(boards) {
  const list = $("#boards");
  if (!list) return;
  const slugs = boards.map(([slug]) => slug), names = new Map(boards), likely = new Map(boards.map(([slug, , one]) => [slug, one]));
  const known = new Map($$(":scope > section", list).map((one) => [one.dataset.board, one]));
  for (const [slug, card] of known) if (!names.has(slug)) card.remove();
  for (const slug of slugs.filter((one) => !known.has(one))) {
    const card = document.createElement("section");
    card.className = "card";
    card.id = `card-${slug}`;
    card.setAttribute("aria-label", names.get(slug));
    Object.assign(card.dataset, { board: slug, part: "card" });
    list.append(card);
    known.set(slug, card);
  }
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  const now = $$(":scope > section", list).map((one) => one.dataset.board);
  if (now.join() !== slugs.join()) slugs.forEach((slug) => list.append(known.get(slug)));
  if (focused) focused.focus();
  $("#no-boards").hidden = slugs.length > 0;
  $("#all").hidden = slugs.length < 2;
  const ticks = $("#ticks"), boxes = new Map($$("input", ticks).map((one) => [one.name.slice(6), one]));
  for (const slug of slugs.filter((one) => !boxes.has(one))) {
    const label = document.createElement("label"), box = document.createElement("input");
    label.className = "tick";
    Object.assign(box, { type: "checkbox", name: `board-${slug}`, value: "1", checked: likely.get(slug) });
    label.append(box, ` ${names.get(slug)}`);
    ticks.append(label);
  }
  for (const [slug, box] of boxes) if (!names.has(slug)) box.closest("label").remove();
  tickAll();
}

function tickAll() {
  const all = $("#tick-all"), boxes = $$("#ticks input"), ticked = boxes.filter((one) => one.checked).length;
  if (!all) return;
  all.checked = ticked > 0 && ticked === boxes.length;
  all.indeterminate = ticked > 0 && ticked < boxes.length;
}

function chosen(message) {
  for (const form of byBoard("form[data-fields]", message.board)) {
    for (const [name, text] of Object.entries(message.fields)) {
      const field = form.elements[name];
      if (!field || field === document.activeElement) continue;
      if (field.options && ![...field.options].some((one) => one.value === text)) field.add(new Option(text));
      field.value = text;
      if (text && name !== "profile") $("[data-more]", form).open = true;
    }
  }
}

function stations(message) {
  const place = $("#stations");
  if (place && place.dataset.shown !== message.html) place.innerHTML = place.dataset.shown = message.html;
}

const TAKES = {
  stations,
  choice: chosen,
  part: show,
  bar,
  text: hear,
  fetched: arrived,
  sent,
  boards: (message) => order(message.order),
  say: (message) => speak(message.text, message.loud),
};

// A button that is replaced between press and release is not clicked: what would replace it waits, the newest of each.
const REPLACES = ["part", "stations", "boards"], PRESSABLE = "a, button, input, label, summary";
let pressed = false;
const waiting = new Map();

function take(message) {
  if (!pressed || !REPLACES.includes(message.kind)) return TAKES[message.kind](message);
  const key = `${message.kind} ${message.part} ${message.board}`;
  waiting.delete(key);
  waiting.set(key, message);
}

function release() {
  pressed = false;
  const messages = [...waiting.values()];
  waiting.clear();
  messages.forEach(take);
}

for (const kind of ["pointerdown", "keydown"]) {
  document.addEventListener(kind, (event) => {
    if (event.button === 0 || event.key === " ") pressed = Boolean(event.target.closest && event.target.closest(PRESSABLE));
  }, true);
}
// The click comes behind these, in the same task.
for (const kind of ["pointerup", "pointercancel", "keyup"]) document.addEventListener(kind, () => setTimeout(release), true);
addEventListener("blur", release);

// A browser makes six connections to a host at most: a tab that nobody sees lets go of its own, and is told all when shown.
let stream = null;

function listen() {
  if (stream) stream.close();
  stream = document.hidden && !awaited.size ? null : new EventSource("/events");
  if (!stream) return;
  stream.onopen = () => { $("#offline").hidden = true; };
  stream.onerror = () => { $("#offline").hidden = false; };
  stream.onmessage = (event) => {
    const message = JSON.parse(event.data);
    take(message);
    document.documentElement.dataset.told = event.data.length; // for whoever waits for the first word
  };
}

listen();
document.addEventListener("visibilitychange", listen);
addEventListener("beforeunload", (event) => {
  const area = $("#file-text");
  if (area && area.value !== saved) event.preventDefault();
});
addEventListener("pagehide", () => { if (stream) stream.close(); });
number();
tickAll();
