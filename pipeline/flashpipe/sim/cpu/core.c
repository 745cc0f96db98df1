/* The lx106 core in C: an interpreter over instructions that are decoded once.
 *
 * contract.py holds the rules, decode.py, semantics.py and special.py what each instruction is and does; this file does
 * the same, cycle by cycle. It calls nobody: at a device access core_run() returns, and is called again with the answer.
 * One core is used by one thread at a time. Hosts are little-endian; signed shifts are arithmetic, as everywhere.
 */
#include <stdint.h>
#include <string.h>

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif
#if defined(__GNUC__)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#else
#define UNLIKELY(condition) (condition)
#endif

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;

enum { DRAM_START = 0x3FFE8000, DRAM_SIZE = 0x18000, IRAM_START = 0x40100000, IRAM_SIZE = 0x10000,
       FLASH_START = 0x40200000, FLASH_SIZE = 0x100000, ROM_START = 0x40000000, ROM_SIZE = 0x10000,
       BUS_SIZE = FLASH_START + FLASH_SIZE - ROM_START };
enum { PS_INTLEVEL = 15, PS_EXCM = 16, PS_UM = 32 };
enum { DEBUG_VECTOR = 0x10, NMI_VECTOR = 0x20, KERNEL_VECTOR = 0x30, USER_VECTOR = 0x50, DOUBLE_VECTOR = 0x70 };
enum { TIMER_BIT = 1 << 6, NMI_BIT = 1 << 14, LEVEL1_MASK = 0x3FFF, SOFTWARE_MASK = 0x80, CLEARABLE_MASK = 0x3F80 };
enum { DEBUG_LEVEL = 2, NMI_LEVEL = 3 };
enum { ILLEGAL = 0, SYSCALL = 1, FETCH_ERROR = 2, LOAD_STORE_ERROR = 3, LEVEL1_INTERRUPT = 4, UNALIGNED = 9,
       FETCH_PROHIBITED = 20, LOAD_PROHIBITED = 28, STORE_PROHIBITED = 29 };
/* What core_run() returns: the stops of the contract, and two questions to the devices. */
enum { RUNNING = 0, HORIZON = 1, HOOK = 2, WAITI = 3, PAUSE = 4, READ = 16, WRITE = 17 };

/* CoreState of contract.py; core_sizes() lets Python compare. */
typedef struct {
    u32 a[16], pc, sar, ps, intenable, interrupt, litbase, waiting, past_hook;
    u64 cycles, instructions, horizon, timer_at, pause;
    u32 vecbase, epc1, epc2, epc3, eps2, eps3, excsave1, excsave2, excsave3, depc, exccause, excvaddr, debugcause,
        ccompare0, ccount_offset, ibreakenable, ibreaka0, dbreaka0, dbreakc0, ddr, icount, icountlevel, itlb, dtlb,
        fast, half;
} State;

/* One decoded instruction. `k`: what decode.py has in imm2, as the code that is in the instruction. */
typedef struct {
    u8 op, length, r, s, t, k;
    u32 imm;
} Code;

/* RegisterFile of register_file.py; core_registers() lets Python compare. `asked` and the next five: Bus of device.py. */
enum { PLAIN_READ = 1, PLAIN_WRITE = 2, CACHE = 4, FRC2 = 8, TIME = 16, CLOCK = 32 };
enum { SYSTEM_START = 0x60000000, MAC_START = 0x3FF20000, RADIO_START = 0x60009600, DPORT_START = 0x3FF00000,
       BLOCK_SIZE = 0x2000, RADIO_SIZE = 0xA00, DPORT_SIZE = 0x100,
       REGISTERS = (2 * BLOCK_SIZE + RADIO_SIZE + DPORT_SIZE) / 4 };
enum { POLLED = 3, POLLS = 8, POLL_CYCLES = 200, READ_CYCLES = 3, WRITE_CYCLES = 1, CYCLES_PER_US = 80 };
enum { IDLE_AFTER = 160000, IDLE_GAP = 1600, IDLE_ASKS = 16 };    /* mac.py */
enum { CACHE_MEGABYTE = 1 << 25 | 7 << 16, CACHE_BUSY = 1 << 9 }; /* dport.py */
typedef struct {
    u64 alone, asked, repeats, since, last, at[POLLED], word[POLLED];
    u64 frc2_on, frc2_count, frc2_since, frc2_divider;
    u64 time_origin, active_at, time_asked_at, time_asks;
    u32 words[REGISTERS];
    u8 kinds[REGISTERS];
} Registers;

/* Context of c_core.py. `iram_code` and the others have an entry for each address and four blank ones at the end. */
typedef struct {
    State *state;
    u8 *dram, *iram, *flash, *rom;
    Code *iram_code, *flash_code, *rom_code;
    const u32 *hooks;
    u32 hook_count;
    u32 past;   /* address of a hook whose instruction is being executed, or 0 */
    u32 access; /* READ or WRITE while a device is asked, else 0; then the question, and the instruction that asks: */
    u32 address, size, value;
    Code asking;
    u32 failed; /* nothing answers: the access is prohibited */
    Registers *registers; /* or none: then the devices are asked for all of them */
} Core;

typedef enum {
    OP_NONE, OP_OUTSIDE, OP_HOOK, OP_ILL, OP_SYSCALL, OP_BREAK, OP_NOP,
    OP_AND, OP_OR, OP_XOR, OP_ADD, OP_ADDX2, OP_ADDX4, OP_ADDX8, OP_SUB, OP_SUBX2, OP_SUBX4, OP_SUBX8, OP_NEG, OP_ABS,
    OP_MOV, OP_MOVI, OP_ADDI, OP_EXTUI, OP_SLLI, OP_SRLI, OP_SRAI, OP_SRC, OP_SLL, OP_SRL, OP_SRA,
    OP_SSR, OP_SSL, OP_SSA8L, OP_SSA8B, OP_SSAI, OP_NSA, OP_NSAU, OP_MULL, OP_MUL16U, OP_MUL16S,
    OP_MOVEQZ, OP_MOVNEZ, OP_MOVLTZ, OP_MOVGEZ, OP_L32R, OP_L8UI, OP_L16UI, OP_L16SI, OP_L32I, OP_S8I, OP_S16I, OP_S32I,
    OP_J, OP_JX, OP_CALL0, OP_CALLX0, OP_RET,
    OP_BEQZ, OP_BNEZ, OP_BLTZ, OP_BGEZ, OP_BEQI, OP_BNEI, OP_BLTI, OP_BGEI, OP_BLTUI, OP_BGEUI,
    OP_BNONE, OP_BEQ, OP_BLT, OP_BLTU, OP_BALL, OP_BBC, OP_BBCI,
    OP_BANY, OP_BNE, OP_BGE, OP_BGEU, OP_BNALL, OP_BBS, OP_BBSI,
    OP_RSR, OP_WSR, OP_XSR, OP_RSIL, OP_WAITI, OP_RFE, OP_RFDE, OP_RFI, OP_RER,
    OP_RTLB0, OP_RTLB1, OP_PTLB, OP_ITLB, OP_WTLB
} Op;

static const u32 B4CONST[16] = {0xFFFFFFFFu, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 32, 64, 128, 256};
static const u32 B4CONSTU[16] = {32768, 65536, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 32, 64, 128, 256};

/* --- decoding --------------------------------------------------------------------------------------------------- */

static u32 sign(u32 value, int bits) { return (u32)((s32)(value << (32 - bits)) >> (32 - bits)); }

/* Whether RSR (op2 0), WSR (1) or XSR (6) of a special register exists. */
static int is_special(u32 number, u32 op2) {
    static const u8 known[] = {3, 5, 96, 104, 128, 144, 160, 176, 177, 178, 179, 192, 194, 195, 208, 209, 210, 211,
                               226, 227, 228, 230, 231, 232, 233, 234, 235, 236, 237, 238, 240};
    if (number == 227 && op2 != 1) return 0;
    if ((number == 176 || number == 208 || number == 233 || number == 235) && op2 != 0) return 0;
    if (number == 226 && op2 == 6) return 0;
    return memchr(known, (int)number, sizeof known) != 0;
}

static u8 decode_st0(u32 r, u32 s, u32 t) {
    switch (r) {
    case 0: return t == 8 ? OP_RET : t == 10 ? OP_JX : t == 12 ? OP_CALLX0 : OP_ILL;
    case 2: return s == 0 && 0xB10F >> t & 1 ? OP_NOP : OP_ILL; /* isync, rsync, esync, dsync, excw, memw, extw, nop */
    case 3: return t == 0 ? (s == 0 ? OP_RFE : s == 2 ? OP_RFDE : OP_ILL) : t == 1 && (s == 2 || s == 3) ? OP_RFI : OP_ILL;
    case 4: return OP_BREAK;
    case 5: return s == 0 && t == 0 ? OP_SYSCALL : OP_ILL;
    case 6: return OP_RSIL;
    case 7: return t == 0 ? OP_WAITI : OP_ILL;
    default: return OP_ILL;
    }
}

static u8 decode_rst0(u32 op2, u32 r, u32 s, u32 t, Code *code) {
    static const u8 arithmetic[16] = {OP_ILL, OP_AND, OP_OR, OP_XOR, OP_ILL, OP_ILL, OP_ILL, OP_ILL,
                                      OP_ADD, OP_ADDX2, OP_ADDX4, OP_ADDX8, OP_SUB, OP_SUBX2, OP_SUBX4, OP_SUBX8};
    static const u8 st1[16] = {OP_SSR, OP_SSL, OP_SSA8L, OP_SSA8B, OP_SSAI, OP_ILL, OP_RER, OP_RER,
                               OP_ILL, OP_ILL, OP_ILL, OP_ILL, OP_ILL, OP_ILL, OP_NSA, OP_NSAU};
    static const u8 tlb[16] = {OP_ILL, OP_ILL, OP_ILL, OP_RTLB0, OP_ITLB, OP_PTLB, OP_WTLB, OP_RTLB1,
                               OP_ILL, OP_ILL, OP_ILL, OP_RTLB0, OP_ITLB, OP_PTLB, OP_WTLB, OP_RTLB1};
    if (op2 == 0) return decode_st0(r, s, t);
    if (op2 == 5) {
        code->k = r >> 3; /* 1 for data */
        return tlb[r] == OP_ITLB && t ? OP_ILL : tlb[r];
    }
    if (op2 == 6) return s == 0 ? OP_NEG : s == 1 ? OP_ABS : OP_ILL;
    if (op2 != 4) return arithmetic[op2];
    if (r == 4) code->imm = s | (t & 1) << 4;
    if ((r < 4 && t) || (r == 4 && t > 1)) return OP_ILL;
    if (r == 7) code->k = 1; /* wer: as rer, but nothing is read */
    return st1[r];
}

static u8 decode_qrst(u32 word, u32 r, u32 s, u32 t, Code *code) {
    static const u8 rst1[16] = {OP_SLLI, OP_SLLI, OP_SRAI, OP_SRAI, OP_SRLI, OP_ILL, OP_XSR, OP_ILL,
                                OP_SRC, OP_SRL, OP_SLL, OP_SRA, OP_MUL16U, OP_MUL16S, OP_ILL, OP_ILL};
    static const u8 rst3[16] = {OP_RSR, OP_WSR, OP_ILL, OP_ILL, OP_ILL, OP_ILL, OP_ILL, OP_ILL,
                                OP_MOVEQZ, OP_MOVNEZ, OP_MOVLTZ, OP_MOVGEZ, OP_ILL, OP_ILL, OP_ILL, OP_ILL};
    u32 op1 = word >> 16 & 15, op2 = word >> 20 & 15;
    u8 op;
    switch (op1) {
    case 0: return decode_rst0(op2, r, s, t, code);
    case 1:
        op = rst1[op2];
        code->imm = op == OP_SLLI ? 32 - (op2 << 4 | t) : op == OP_SRAI ? (op2 & 1) << 4 | s : s;
        if ((op == OP_SRL || op == OP_SRA) && s) return OP_ILL;
        if (op == OP_SLL && t) return OP_ILL;
        if (op == OP_XSR) code->imm = word >> 8 & 255;
        return op == OP_XSR && !is_special(code->imm, op2) ? OP_ILL : op;
    case 2: return op2 == 8 ? OP_MULL : OP_ILL;
    case 3:
        code->imm = word >> 8 & 255;
        return op2 < 2 && !is_special(code->imm, op2) ? OP_ILL : rst3[op2];
    case 4:
    case 5:
        code->imm = (op1 & 1) << 4 | s;
        code->k = (u8)op2;
        return OP_EXTUI;
    default: return OP_ILL;
    }
}

static u8 decode_lsai(u32 word, u32 r, u32 s, Code *code) {
    static const u8 lsai[16] = {OP_L8UI, OP_L16UI, OP_L32I, OP_ILL, OP_S8I, OP_S16I, OP_S32I, OP_ILL,
                                OP_ILL, OP_L16SI, OP_MOVI, OP_ILL, OP_ADDI, OP_ADDI, OP_ILL, OP_ILL};
    u32 imm8 = word >> 16 & 255;
    switch (lsai[r]) {
    case OP_MOVI: code->imm = sign(s << 8 | imm8, 12); break;
    case OP_ADDI: code->imm = r == 13 ? sign(imm8, 8) << 8 : sign(imm8, 8); break;
    default: code->imm = imm8 << (r == 9 ? 1 : r & 3); break;
    }
    return lsai[r];
}

static u8 decode_si(u32 word, u32 pc, u32 r, u32 t, Code *code) {
    static const u8 si[16] = {OP_J, OP_BEQZ, OP_BEQI, OP_ILL, OP_J, OP_BNEZ, OP_BNEI, OP_ILL,
                              OP_J, OP_BLTZ, OP_BLTI, OP_BLTUI, OP_J, OP_BGEZ, OP_BGEI, OP_BGEUI};
    code->imm = pc + 4 + ((t & 3) == 0 ? sign(word >> 6, 18) : (t & 3) == 1 ? sign(word >> 12, 12) : sign(word >> 16, 8));
    code->k = (u8)r;
    return si[t];
}

static u8 decode_narrow(u32 word, u32 pc, u32 r, u32 s, u32 t, Code *code) {
    code->length = 2;
    switch (word & 15) {
    case 8: code->imm = r << 2; return OP_L32I;
    case 9: code->imm = r << 2; return OP_S32I;
    case 10: return OP_ADD;
    case 11:
        code->imm = t ? t : 0xFFFFFFFFu;
        code->t = (u8)r;
        return OP_ADDI;
    case 12:
        code->imm = (t & 7) << 4 | r;
        if (t & 8) {
            code->imm = pc + 4 + (code->imm & 63);
            return t & 4 ? OP_BNEZ : OP_BEQZ;
        }
        if (code->imm >= 96) code->imm -= 128;
        code->t = (u8)s;
        return OP_MOVI;
    default: return r == 0 ? OP_MOV : r != 15 ? OP_ILL : t == 0 ? OP_RET : t == 2 ? OP_BREAK : t == 3 && s == 0 ? OP_NOP : OP_ILL;
    }
}

static void decode(u32 word, u32 pc, Code *code) {
    static const u8 branches[16] = {OP_BNONE, OP_BEQ, OP_BLT, OP_BLTU, OP_BALL, OP_BBC, OP_BBCI, OP_BBCI,
                                    OP_BANY, OP_BNE, OP_BGE, OP_BGEU, OP_BNALL, OP_BBS, OP_BBSI, OP_BBSI};
    u32 r = word >> 12 & 15, s = word >> 8 & 15, t = word >> 4 & 15;
    memset(code, 0, sizeof *code);
    code->length = 3;
    code->r = (u8)r, code->s = (u8)s, code->t = (u8)t;
    switch (word & 15) {
    case 0: code->op = decode_qrst(word, r, s, t, code); break;
    case 1:
        code->imm = ((pc + 3) & ~3u) + (0xFFFC0000u | (word >> 8 & 0xFFFF) << 2);
        code->op = OP_L32R;
        break;
    case 2: code->op = decode_lsai(word, r, s, code); break;
    case 5:
        code->imm = (pc & ~3u) + (sign(word >> 6, 18) << 2) + 4;
        code->op = t & 3 ? OP_ILL : OP_CALL0;
        break;
    case 6: code->op = decode_si(word, pc, r, t, code); break;
    case 7:
        code->imm = pc + 4 + sign(word >> 16, 8);
        code->k = (u8)((r & 1) << 4 | t);
        code->op = branches[r];
        break;
    case 8: case 9: case 10: case 11: case 12: case 13: code->op = decode_narrow(word, pc, r, s, t, code); break;
    default: code->op = OP_ILL; break;
    }
}

/* Fills the entry of `pc`, which lies in the flash window, instruction RAM or the mask ROM. */
static void fill(Core *core, u32 pc, Code *code) {
    const u8 *bytes;
    u32 left, word;
    if (pc >= FLASH_START) bytes = core->flash + (pc - FLASH_START), left = FLASH_START + FLASH_SIZE - pc;
    else if (pc >= IRAM_START) bytes = core->iram + (pc - IRAM_START), left = IRAM_START + IRAM_SIZE - pc;
    else bytes = core->rom + (pc - ROM_START), left = ROM_START + ROM_SIZE - pc;
    word = bytes[0] | (left > 1 ? bytes[1] : 0u) << 8 | (left > 2 ? bytes[2] : 0u) << 16;
    decode(word, pc, code);
    if (pc < IRAM_START && !word) code->op = OP_HOOK; /* a function of the ROM that is no instructions */
    if (pc == core->past) return;
    for (u32 i = 0; i < core->hook_count; i++)
        if (core->hooks[i] == pc) code->op = OP_HOOK;
}

/* The entry of an address; one of its own stands for all addresses without code. */
static Code *locate(Core *core, u32 pc) {
    static Code outside = {OP_OUTSIDE, 0, 0, 0, 0, 0, 0};
    if (pc - FLASH_START < FLASH_SIZE) return core->flash_code + (pc - FLASH_START);
    if (pc - IRAM_START < IRAM_SIZE) return core->iram_code + (pc - IRAM_START);
    if (pc - ROM_START < ROM_SIZE) return core->rom_code + (pc - ROM_START);
    return &outside;
}

static void forget(Code *codes, u32 size, u32 first, u32 end) {
    for (u32 at = first; at < end && at < size; at++)
        if (codes[at].op) codes[at].op = OP_NONE;
}

/* --- special registers, interrupts, exceptions ------------------------------------------------------------------- */

static u32 *plain_register(State *x, u32 number) {
    switch (number) {
    case 3: return &x->sar;
    case 5: return &x->litbase;
    case 96: return &x->ibreakenable;
    case 104: return &x->ddr;
    case 128: return &x->ibreaka0;
    case 144: return &x->dbreaka0;
    case 160: return &x->dbreakc0;
    case 177: return &x->epc1;
    case 178: return &x->epc2;
    case 179: return &x->epc3;
    case 192: return &x->depc;
    case 194: return &x->eps2;
    case 195: return &x->eps3;
    case 209: return &x->excsave1;
    case 210: return &x->excsave2;
    case 211: return &x->excsave3;
    case 226: return &x->interrupt;
    case 228: return &x->intenable;
    case 230: return &x->ps;
    case 231: return &x->vecbase;
    case 232: return &x->exccause;
    case 233: return &x->debugcause;
    case 236: return &x->icount;
    case 237: return &x->icountlevel;
    case 238: return &x->excvaddr;
    case 240: return &x->ccompare0;
    default: return 0;
    }
}

static u32 writable_bits(u32 number) {
    switch (number) {
    case 3: case 194: case 195: case 230: case 232: return 0x3F;
    case 5: return 0xFFFFF001u;
    case 96: return 1;
    case 228: return 0x7FFF;
    case 237: return 15;
    default: return 0xFFFFFFFFu;
    }
}

/* Clocks of the core, two in a cycle where it is fast: what CCOUNT counts. */
static u64 clocks(const State *x) { return x->cycles << x->fast | x->half; }

static u32 read_special(const State *x, u32 number) {
    switch (number) {
    case 176: return 0xC28CDAFAu;
    case 208: return 0x1082B6F6u;
    case 234: return (u32)clocks(x) + x->ccount_offset;
    case 235: return 0xCDCD;
    default: {
        const u32 *plain = plain_register((State *)x, number);
        return plain ? *plain : 0;
    }
    }
}

static void arm_timer(State *x) {
    u64 now = clocks(x);
    x->timer_at = (now + (u32)(x->ccompare0 - (u32)(now + x->ccount_offset) - 1) + 1 + x->fast) >> x->fast;
}

static void write_special(State *x, u32 number, u32 value) {
    switch (number) {
    case 226: x->interrupt |= value & SOFTWARE_MASK; break;
    case 227: x->interrupt &= ~(value & CLEARABLE_MASK); break;
    case 234:
        x->ccount_offset = value - (u32)clocks(x);
        arm_timer(x);
        break;
    case 240:
        x->ccompare0 = value;
        x->interrupt &= ~(u32)TIMER_BIT;
        arm_timer(x);
        break;
    default: {
        u32 *plain = plain_register(x, number);
        if (plain) *plain = value & writable_bits(number);
    }
    }
}

static void write_tlb(u32 *attributes, u32 shift, u32 attribute) {
    *attributes = (*attributes & ~(15u << shift)) | attribute << shift;
}

/* Enters the vector of an exception that the instruction at `pc` raises. */
static u32 deliver(State *x, u32 cause, u32 pc) {
    x->exccause = cause;
    if (x->ps & PS_EXCM) {
        x->depc = pc;
        return x->vecbase + DOUBLE_VECTOR;
    }
    x->epc1 = pc;
    x->ps |= PS_EXCM;
    return x->vecbase + (x->ps & PS_UM ? USER_VECTOR : KERNEL_VECTOR);
}

static u32 debug_exception(State *x, u32 pc, u32 length) {
    u32 level = x->ps & PS_INTLEVEL;
    if (level >= DEBUG_LEVEL) return pc + length;
    x->debugcause = length == 3 ? 8 : 16;
    x->epc2 = pc, x->eps2 = x->ps;
    x->ps = (x->ps & ~(u32)PS_INTLEVEL) | PS_EXCM | DEBUG_LEVEL;
    return x->vecbase + DEBUG_VECTOR;
}

static int take_interrupt(State *x) {
    u32 level = x->ps & PS_INTLEVEL;
    if (x->interrupt & NMI_BIT && level < NMI_LEVEL) {
        x->interrupt &= ~(u32)NMI_BIT;
        x->epc3 = x->pc, x->eps3 = x->ps;
        x->ps = (x->ps & ~(u32)PS_INTLEVEL) | PS_EXCM | NMI_LEVEL;
        x->pc = x->vecbase + NMI_VECTOR;
    } else if (x->interrupt & x->intenable & LEVEL1_MASK && !level && !(x->ps & PS_EXCM)) {
        x->pc = deliver(x, LEVEL1_INTERRUPT, x->pc);
    } else {
        return 0;
    }
    x->waiting = 0;
    return 1;
}

/* What may be due between two instructions, in the order of the contract; sets the clock up to which nothing is. */
static int look_around(Core *core, u64 *limit) {
    State *x = core->state;
    if (core->past) {
        locate(core, core->past)->op = OP_NONE;
        core->past = 0;
    }
    if (x->cycles >= x->timer_at) {
        x->interrupt |= TIMER_BIT;
        x->timer_at += (u64)1 << (32 - x->fast);
    }
    if (x->cycles >= x->horizon) return HORIZON;
    if (clocks(x) >= x->pause) return PAUSE;
    if (x->past_hook && !x->waiting) {
        x->past_hook = 0;
        if (locate(core, x->pc)->op == OP_HOOK) {
            core->past = x->pc;
            locate(core, x->pc)->op = OP_NONE;
        }
        *limit = 0;
        return RUNNING;
    }
    if (!take_interrupt(x) && x->waiting) return WAITI;
    *limit = (x->horizon < x->timer_at ? x->horizon : x->timer_at) << x->fast;
    if (x->pause < *limit) *limit = x->pause;
    return RUNNING;
}

/* --- registers that need no device ------------------------------------------------------------------------------- */

static int register_place(u32 address) {
    if (address & 3) return -1;
    if (address - SYSTEM_START < BLOCK_SIZE) return (int)((address - SYSTEM_START) >> 2);
    if (address - MAC_START < BLOCK_SIZE) return (int)((address - MAC_START + BLOCK_SIZE) >> 2);
    if (address - RADIO_START < RADIO_SIZE) return (int)((address - RADIO_START + 2 * BLOCK_SIZE) >> 2);
    if (address - DPORT_START < DPORT_SIZE)
        return (int)((address - DPORT_START + 2 * BLOCK_SIZE + RADIO_SIZE) >> 2);
    return -1;
}

static int is_clock(const Registers *registers, u64 address) {
    int place = register_place((u32)address);
    return place >= 0 && registers->kinds[place] & CLOCK;
}

/* Takes note of what a program asks again and again; 0 where time is to be passed for it, which Python does. */
static int note_read(Registers *registers, u32 address, u32 word, u64 now) {
    u64 count = registers->asked, at = 0, other;
    const u64 again = (u64)1 << 32;
    int known, wait;
    while (at < count && registers->at[at] != address) at++;
    known = at < count;
    if (now - registers->last > POLL_CYCLES || (!known && count == POLLED)) known = 0, count = at = 0;
    if (known && (u32)registers->word[at] != word && !is_clock(registers, address)) known = 0, count = at = 0;
    if (!known) {
        for (other = 0; other < count; other++) registers->word[other] &= ~again;
        registers->at[at] = address;
        registers->asked = count + 1;
        registers->repeats = 0;
        registers->since = now;
    } else if (registers->repeats + 1 < POLLS) {
        registers->repeats++;
    } else {
        for (wait = 0, other = 0; other < count; other++)
            if (other == at || registers->word[other] & again) wait |= !is_clock(registers, registers->at[other]);
        if (wait) return 0;
    }
    registers->word[at] = known ? again | word : word;
    registers->last = now;
    return 1;
}

/* What Bus.read does, at cycle `now` after the access; 0 where the devices are to be asked. */
static int read_register(Registers *registers, u32 address, u64 now, u32 *value) {
    int place;
    u64 asks = 0;
    u32 kind, word;
    if (!registers || !registers->alone || (place = register_place(address)) < 0) return 0;
    kind = registers->kinds[place];
    if (kind & PLAIN_READ) {
        word = registers->words[place];
    } else if (kind & FRC2) {
        word = (u32)registers->frc2_count;
        if (registers->frc2_on) word += (u32)((now - registers->frc2_since) / registers->frc2_divider);
    } else if (kind & TIME) {
        if (now - registers->active_at > IDLE_AFTER && now - registers->time_asked_at < IDLE_GAP)
            asks = registers->time_asks + 1;
        if (asks >= IDLE_ASKS) return 0;
        word = (u32)((now - registers->time_origin) / CYCLES_PER_US);
    } else {
        return 0;
    }
    if (!note_read(registers, address, word, now)) return 0;
    if (kind & TIME) registers->time_asks = asks, registers->time_asked_at = now;
    *value = word;
    return 1;
}

/* What Bus.write does; 0 where the devices are to be asked. */
static int write_register(Registers *registers, u32 address, u32 value) {
    int place;
    u32 kind;
    if (!registers || !registers->alone || (place = register_place(address)) < 0) return 0;
    kind = registers->kinds[place];
    if (kind & CACHE) {
        if ((registers->words[place] ^ value) & CACHE_MEGABYTE) return 0;
        value &= ~(u32)CACHE_BUSY;
    } else if (!(kind & PLAIN_WRITE)) {
        return 0;
    }
    registers->asked = 0;
    registers->words[place] = value;
    return 1;
}

/* --- running ----------------------------------------------------------------------------------------------------- */

/* The devices have answered: the load or store that asked them ends. */
static void finish_access(Core *core, u32 answer) {
    State *x = core->state;
    const Code *code = &core->asking;
    u32 access = core->access;
    core->access = 0;
    if (core->failed) {
        core->failed = 0;
        x->excvaddr = core->address;
        x->pc = deliver(x, access == READ ? LOAD_PROHIBITED : STORE_PROHIBITED, x->pc);
        return;
    }
    if (access == READ) x->a[code->t] = code->op == OP_L16SI ? sign(answer, 16) : answer;
    x->pc += code->length;
}

static u32 leading_zeros(u32 value) {
    u32 count = 32;
    for (; value; value >>= 1) count--;
    return count;
}

#define R a[code->r]
#define S a[code->s]
#define T a[code->t]
#define SIGNED(value) ((s32)(value))
#define NEXT { pc += code->length; code += code->length; goto next; }
#define JUMP(target) { pc = target; code = locate(core, pc); goto next; }
#define PUBLISH x->cycles = now >> fast, x->half = (u32)now & fast;
#define ATTEND(target) { x->pc = target; goto attend; }
#define COMPUTE(op, statement) case op: statement; NEXT
#define BRANCH(op, condition) case op: if (condition) JUMP(code->imm) NEXT
#define TRAP(cause) JUMP(deliver(x, cause, pc))
#define FAULT(cause) { x->excvaddr = address; TRAP(cause) }
#define ASK(what, bytes, data) { core->size = bytes, core->value = data; stop = what; goto ask; }
/* Time passes that is no instruction. */
#define PASS(cycles) { now += (u64)(cycles) << fast; x->instructions -= (u64)(cycles) << fast; }
#define CHECK(bytes) \
    if (address & (bytes - 1)) FAULT(UNALIGNED) \
    if (bytes != 4 && address - ROM_START < BUS_SIZE) FAULT(LOAD_STORE_ERROR)
#define LOAD(op, type, result) \
    case op: { \
        type value; \
        address = S + code->imm; \
        if ((at = address - DRAM_START) < DRAM_SIZE && !(address & (sizeof(type) - 1))) { \
            memcpy(&value, core->dram + at, sizeof(type)); \
            T = result; \
            NEXT \
        } \
        CHECK(sizeof(type)) \
        if (sizeof(type) == 4) goto load_word; \
        ASK(READ, sizeof(type), 0) \
    }
#define STORE(op, type) \
    case op: { \
        type value = (type)T; \
        address = S + code->imm; \
        if ((at = address - DRAM_START) < DRAM_SIZE && !(address & (sizeof(type) - 1))) { \
            memcpy(core->dram + at, &value, sizeof(type)); \
            NEXT \
        } \
        CHECK(sizeof(type)) \
        if (sizeof(type) == 4) goto store_word; \
        ASK(WRITE, sizeof(type), value) \
    }

static int execute(Core *core) {
    State *x = core->state;
    u32 *a = x->a;
    const u32 fast = x->fast; /* which only a device changes */
    u32 pc, address = 0, at, old;
    u64 now = clocks(x), limit;
    Code *code;
    int stop;

attend:
    PUBLISH
    if ((stop = look_around(core, &limit))) return stop;
    pc = x->pc;
    code = locate(core, pc);
    goto dispatch;
next:
    if (UNLIKELY(now >= limit)) ATTEND(pc)
dispatch:
    now++;
    switch (code->op) {
    case OP_NONE: /* nothing decoded, or sequential code has run out of its area */
        now--;
        code = locate(core, pc);
        if (code->op == OP_NONE) fill(core, pc, code);
        goto dispatch;
    case OP_OUTSIDE:
        x->excvaddr = pc;
        TRAP(pc - 0x20000000 < 0x60000000 ? FETCH_ERROR : FETCH_PROHIBITED)
    case OP_HOOK:
        now--;
        PUBLISH
        x->pc = pc;
        return HOOK;
    case OP_ILL: TRAP(ILLEGAL)
    case OP_SYSCALL: TRAP(SYSCALL)
    case OP_BREAK: JUMP(debug_exception(x, pc, code->length))
    COMPUTE(OP_NOP, )
    COMPUTE(OP_AND, R = S & T)
    COMPUTE(OP_OR, R = S | T)
    COMPUTE(OP_XOR, R = S ^ T)
    COMPUTE(OP_ADD, R = S + T)
    COMPUTE(OP_ADDX2, R = (S << 1) + T)
    COMPUTE(OP_ADDX4, R = (S << 2) + T)
    COMPUTE(OP_ADDX8, R = (S << 3) + T)
    COMPUTE(OP_SUB, R = S - T)
    COMPUTE(OP_SUBX2, R = (S << 1) - T)
    COMPUTE(OP_SUBX4, R = (S << 2) - T)
    COMPUTE(OP_SUBX8, R = (S << 3) - T)
    COMPUTE(OP_NEG, R = 0 - T)
    COMPUTE(OP_ABS, R = SIGNED(T) < 0 ? 0 - T : T)
    COMPUTE(OP_MOV, T = S)
    COMPUTE(OP_MOVI, T = code->imm)
    COMPUTE(OP_ADDI, T = S + code->imm)
    COMPUTE(OP_EXTUI, R = T >> code->imm & ((2u << code->k) - 1))
    COMPUTE(OP_SLLI, R = (u32)((u64)S << code->imm))
    COMPUTE(OP_SRLI, R = T >> code->imm)
    COMPUTE(OP_SRAI, R = (u32)(SIGNED(T) >> code->imm))
    COMPUTE(OP_SRC, R = (u32)(((u64)S << 32 | T) >> x->sar))
    COMPUTE(OP_SLL, R = (u32)((u64)S << 32 >> x->sar))
    COMPUTE(OP_SRL, R = (u32)((u64)T >> x->sar))
    COMPUTE(OP_SRA, R = (u32)((int64_t)SIGNED(T) >> x->sar))
    COMPUTE(OP_SSR, x->sar = S & 31)
    COMPUTE(OP_SSL, x->sar = 32 - (S & 31))
    COMPUTE(OP_SSA8L, x->sar = (S & 3) << 3)
    COMPUTE(OP_SSA8B, x->sar = 32 - ((S & 3) << 3))
    COMPUTE(OP_SSAI, x->sar = code->imm)
    COMPUTE(OP_NSAU, T = leading_zeros(S))
    COMPUTE(OP_NSA, T = leading_zeros(SIGNED(S) < 0 ? ~S : S) - 1)
    COMPUTE(OP_MULL, R = S * T)
    COMPUTE(OP_MUL16U, R = (S & 0xFFFF) * (T & 0xFFFF))
    COMPUTE(OP_MUL16S, R = (u32)((s32)(int16_t)S * (int16_t)T))
    COMPUTE(OP_MOVEQZ, if (!T) R = S)
    COMPUTE(OP_MOVNEZ, if (T) R = S)
    COMPUTE(OP_MOVLTZ, if (SIGNED(T) < 0) R = S)
    COMPUTE(OP_MOVGEZ, if (SIGNED(T) >= 0) R = S)
    COMPUTE(OP_RER, if (!code->k) T = 0)
    COMPUTE(OP_RTLB0, T = S & 0xE0000000)
    COMPUTE(OP_RTLB1, T = (S & 0xE0000000) | ((code->k ? x->dtlb : x->itlb) >> (S >> 29) * 4 & 15))
    COMPUTE(OP_PTLB, T = (S & 0xE0000000) | 1)
    COMPUTE(OP_ITLB, )
    COMPUTE(OP_WTLB, write_tlb(code->k ? &x->dtlb : &x->itlb, (S >> 29) * 4, T & 15))
    BRANCH(OP_BEQZ, !S)
    BRANCH(OP_BNEZ, S)
    BRANCH(OP_BLTZ, SIGNED(S) < 0)
    BRANCH(OP_BGEZ, SIGNED(S) >= 0)
    BRANCH(OP_BEQI, S == B4CONST[code->k])
    BRANCH(OP_BNEI, S != B4CONST[code->k])
    BRANCH(OP_BLTI, SIGNED(S) < SIGNED(B4CONST[code->k]))
    BRANCH(OP_BGEI, SIGNED(S) >= SIGNED(B4CONST[code->k]))
    BRANCH(OP_BLTUI, S < B4CONSTU[code->k])
    BRANCH(OP_BGEUI, S >= B4CONSTU[code->k])
    BRANCH(OP_BEQ, S == T)
    BRANCH(OP_BNE, S != T)
    BRANCH(OP_BLT, SIGNED(S) < SIGNED(T))
    BRANCH(OP_BGE, SIGNED(S) >= SIGNED(T))
    BRANCH(OP_BLTU, S < T)
    BRANCH(OP_BGEU, S >= T)
    BRANCH(OP_BANY, S & T)
    BRANCH(OP_BNONE, !(S & T))
    BRANCH(OP_BALL, !(~S & T))
    BRANCH(OP_BNALL, ~S & T)
    BRANCH(OP_BBS, S >> (T & 31) & 1)
    BRANCH(OP_BBC, !(S >> (T & 31) & 1))
    BRANCH(OP_BBSI, S >> code->k & 1)
    BRANCH(OP_BBCI, !(S >> code->k & 1))
    LOAD(OP_L8UI, u8, value)
    LOAD(OP_L16UI, u16, value)
    LOAD(OP_L16SI, u16, sign(value, 16))
    LOAD(OP_L32I, u32, value)
    STORE(OP_S8I, u8)
    STORE(OP_S16I, u16)
    STORE(OP_S32I, u32)
    case OP_L32R:
        address = code->imm;
        if (UNLIKELY(x->litbase & 1)) address = (x->litbase & ~0xFFFu) + address - ((pc + 3) & ~3u);
        goto load_word;
    case OP_J: JUMP(code->imm)
    case OP_JX: JUMP(S)
    case OP_RET: JUMP(a[0])
    case OP_CALL0:
        a[0] = pc + 3;
        JUMP(code->imm)
    case OP_CALLX0:
        old = S;
        a[0] = pc + 3;
        JUMP(old)
    case OP_RSR:
        PUBLISH
        T = read_special(x, code->imm);
        NEXT
    case OP_WSR:
        PUBLISH
        write_special(x, code->imm, T);
        ATTEND(pc + 3)
    case OP_XSR:
        PUBLISH
        old = read_special(x, code->imm);
        write_special(x, code->imm, T);
        T = old;
        ATTEND(pc + 3)
    case OP_RSIL:
        T = x->ps;
        x->ps = (x->ps & ~(u32)PS_INTLEVEL) | code->s;
        ATTEND(pc + 3)
    case OP_WAITI:
        x->ps = (x->ps & ~(u32)PS_INTLEVEL) | code->s;
        x->waiting = 1;
        ATTEND(pc + 3)
    case OP_RFE:
        x->ps &= ~(u32)PS_EXCM;
        ATTEND(x->epc1)
    case OP_RFDE: JUMP(x->depc)
    case OP_RFI:
        x->ps = code->s == 2 ? x->eps2 : x->eps3;
        ATTEND(code->s == 2 ? x->epc2 : x->epc3)
    }
load_word:
    if ((at = address - FLASH_START) < FLASH_SIZE) memcpy(&T, core->flash + at, 4);
    else if ((at = address - IRAM_START) < IRAM_SIZE) memcpy(&T, core->iram + at, 4);
    else if ((at = address - DRAM_START) < DRAM_SIZE) memcpy(&T, core->dram + at, 4);
    else if (read_register(core->registers, address, (now >> fast) + READ_CYCLES, &T)) PASS(READ_CYCLES)
    else ASK(READ, 4, 0)
    NEXT
store_word:
    if ((at = address - IRAM_START) >= IRAM_SIZE) {
        if (!write_register(core->registers, address, T)) ASK(WRITE, 4, T)
        PASS(WRITE_CYCLES)
        NEXT
    }
    memcpy(core->iram + at, &T, 4);
    forget(core->iram_code, IRAM_SIZE, at < 2 ? 0 : at - 2, at + 4);
    NEXT
ask:
    PUBLISH
    x->pc = pc;
    core->access = (u32)stop, core->address = address, core->asking = *code;
    return stop;
}

/* Runs up to the next stop or question; `answer` is what the devices say to the last question. */
EXPORT int core_run(Core *core, u32 answer) {
    State *x = core->state;
    u64 before;
    int stop;
    if (core->access) finish_access(core, answer);
    before = clocks(x);
    stop = execute(core);
    x->instructions += clocks(x) - before;
    return stop;
}

/* Memory was changed from outside, or is now a hook, or no longer: what was decoded of [start, start + length). */
EXPORT void core_flush(Core *core, u32 start, u32 length) {
    u32 first = start - 2, end = start + length; /* an instruction of three bytes may begin before */
    if (first < IRAM_START + IRAM_SIZE && end > IRAM_START)
        forget(core->iram_code, IRAM_SIZE, first < IRAM_START ? 0 : first - IRAM_START, end - IRAM_START);
    if (first < FLASH_START + FLASH_SIZE && end > FLASH_START)
        forget(core->flash_code, FLASH_SIZE, first < FLASH_START ? 0 : first - FLASH_START, end - FLASH_START);
    if (first < ROM_START + ROM_SIZE && end > ROM_START)
        forget(core->rom_code, ROM_SIZE, first < ROM_START ? 0 : first - ROM_START, end - ROM_START);
}

/* Size of Registers: likewise. */
EXPORT u32 core_registers(void) { return (u32)sizeof(Registers); }

/* Sizes of State, Core and Code, one byte each above the other: Python compares them with its own. */
EXPORT u32 core_sizes(void) { return (u32)(sizeof(State) << 20 | sizeof(Core) << 8 | sizeof(Code)); }
