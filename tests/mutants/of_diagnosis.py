"""Defects of diagnosis, doctor and bundle: each sends somebody to the wrong wire, or a secret to a stranger."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

LINE, FLASH_RULES = (
    "pipeline/flashpipe/board/diagnosis/rules_line.py",
    "pipeline/flashpipe/board/diagnosis/rules_flash.py",
)
POSTMORTEM, DOCTOR = "pipeline/flashpipe/board/diagnosis/look.py", "pipeline/flashpipe/board/ports/doctor.py"
DIAGNOSING, TRANSCRIPT, MASKING = (
    "pipeline/flashpipe/flasher/explain_failure.py",
    "pipeline/flashpipe/board/session/traffic_text.py",
    "pipeline/flashpipe/jobs/mask.py",
)
BUNDLE = "pipeline/flashpipe/cli/bundle.py"
T_RULES, T_DOCTOR, T_TAPE = (
    "tests/board/diagnosis/test_judge.py",
    "tests/board/ports/test_doctor.py",
    "tests/board/session/test_traffic.py",
)
T_FAULTS, T_BUNDLE = "tests/tasks/test_diagnoses.py", "tests/jobs/test_bundle.py"

CRASHES = "pipeline/flashpipe/board/diagnosis/rules_crash.py"
T_EXPLAIN = "tests/board/diagnosis/test_explanation.py"

DIAGNOSIS: Final = (
    Mutant(
        "a-normal-start-is-a-loader",
        LINE,
        "UART_DOWNLOAD, SPI_BOOT = 1, 3",
        "UART_DOWNLOAD, SPI_BOOT = 3, 1",
        "GPIO0 that is not low is taken for a broken TX wire, the commonest complaint for another",
        (f"{T_RULES}::test_the_right_cause_is_named_and_no_other",),
    ),
    Mutant(
        "any-start-is-a-weak-supply",
        LINE,
        "return looked and any(cause == POWER_ON",
        "return looked and any(cause != POWER_ON",
        "everybody is told to buy a power supply",
        (f"{T_RULES}::test_the_right_cause_is_named_and_no_other",),
    ),
    Mutant(
        "two-causes-at-once",
        FLASH_RULES,
        "if not _plain(evidence) or _unstable(evidence) is not None or findings.bad_blocks > 1:",
        "if not _plain(evidence) or _unstable(evidence) is not None:",
        "a flash that took nothing is called worn out at one place",
        (
            f"{T_RULES}::test_of_any_evidence_one_rule_fits_or_none",
            f"{T_RULES}::test_the_right_cause_is_named_and_no_other",
        ),
    ),
    Mutant(
        "a-guess-is-a-cause",
        "pipeline/flashpipe/board/diagnosis/judge.py",
        "    if (evidence.code in EVIDENT and not compared) or evidence.verdict:",
        "    if evidence.code == UNKNOWN:",
        "where nothing is proven, the symptom is sold as the cause",
        (f"{T_RULES}::test_without_evidence_no_cause_is_claimed",),
    ),
    Mutant(
        "nobody-looks-at-the-port",
        POSTMORTEM,
        "    if error.code == PortLostError.code:\n",
        "    if not error.code:\n",
        "a port that another program took and one that was unplugged are the same",
        (f"{T_FAULTS}::test_each_fault_ends_with_its_code_its_cause_and_one_action",),
    ),
    Mutant(
        "an-old-login-is-enough",
        DOCTOR,
        "    if host.user in members:\n",
        "    if host.user in ():\n",
        "who has joined the group is told to join it again, for ever",
        (f"{T_DOCTOR}::test_a_group_that_was_joined_after_the_login",),
    ),
    Mutant(
        "the-fork-goes-unseen",
        DOCTOR,
        "    elif _FORK in packages:\n",
        '    elif _FORK == "":\n',
        "one pip uninstall later nothing can open a port, and nobody was warned",
        (f"{T_DOCTOR}::test_the_fork_that_overwrites_pyserial",),
    ),
    Mutant(
        "a-chip-name-tells-the-mac",
        MASKING,
        "        last = digits[6:]\n",
        "        last = digits\n",
        "the half of the MAC that the firmware's own name holds goes out with the bundle",
        (f"{T_BUNDLE}::test_it_gives_nobody_away",),
    ),
    Mutant(
        "written-unasked",
        BUNDLE,
        "    if not arguments.yes and not _agreed(path):",
        "    if arguments.yes and not _agreed(path):",
        "a bundle is made that nobody has seen and agreed to",
        (f"{T_BUNDLE}::test_it_is_shown_and_nothing_is_written_unasked",),
    ),
    Mutant(
        "contents-in-the-transcript",
        TRANSCRIPT,
        'yield f"{_head(chunk)} …" if chunk.count <= _SHOWN * 4 else "data"',
        "yield f\"{chunk.data.hex(' ')} …\"",
        "flash contents, and the passwords in them, go out with the bundle",
        (f"{T_TAPE}::test_contents_stay_out_of_it",),
    ),
    Mutant(
        "the-mode-is-blamed-unseen",
        CRASHES,
        "        and evidence.verified\n        and evidence.mode not in",
        "        and evidence.mode not in",
        "a damaged image is called a flash that cannot do its mode",
        (f"{T_EXPLAIN}::test_it_is_not_asserted_where_the_evidence_leaves_another_cause",),
    ),
    Mutant(
        "the-mode-is-blamed-for-what-spoke",
        CRASHES,
        "    return bool(meaning(evidence) or own_words(evidence.log))",
        "    return bool(meaning(evidence))",
        "a firmware with a defect is flashed again in every mode",
        (f"{T_EXPLAIN}::test_it_is_not_asserted_where_the_evidence_leaves_another_cause",),
    ),
    Mutant(
        "the-mode-is-blamed-behind-a-loader",
        CRASHES,
        "        and LOADER.search(evidence.log) is None\n",
        "",
        "a build for another place is called a flash that cannot do its mode",
        (f"{T_EXPLAIN}::test_it_is_not_asserted_where_the_evidence_leaves_another_cause",),
    ),
    Mutant(
        "a-crash-explains-nothing",
        "pipeline/flashpipe/board/boot/crash.py",
        'return "it jumped into data RAM, through a bad pointer"',
        'return ""',
        "a bad pointer is called a wrong flash mode",
        (f"{T_EXPLAIN}::test_it_is_not_asserted_where_the_evidence_leaves_another_cause",),
    ),
    Mutant(
        "may-be-is-certain",
        "pipeline/flashpipe/board/diagnosis/judge.py",
        "certain=rule.is_certain(evidence),",
        "certain=True,",
        "a program takes a guess for a cause",
        (f"{T_EXPLAIN}::test_each_kind_is_recognised_in_other_words",),
    ),
    Mutant(
        "every-failed-copy-is-a-missing-table",
        "pipeline/flashpipe/board/diagnosis/rules_boot.py",
        "_loader_found_nothing(_EBOOT_WORDS, _TABLE_WORDS, _APP_WORDS)",
        "_loader_found_nothing(_TABLE_WORDS, _APP_WORDS)",
        "an update that failed over the air has no cause",
        (f"{T_EXPLAIN}::test_each_kind_is_recognised_in_other_words",),
    ),
)
