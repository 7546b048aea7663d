/* decode.c -- statements to instructions. Most opcodes are rows of a table (arith.c, convert.c);
 * those with operands of their own kind have a function here. */
#include <string.h>
#include "ptx.h"

typedef void Decode(Parser *parser, Statement *statement);

/* ---------------------------------------------------------------- helpers */

static Inst *add_inst(Parser *parser, const Statement *statement, Handler *run, Kind kind)
{
    Function *function = parser_function(parser);
    Module *module = parser_module(parser);
    Inst *inst = PUSH(module, function->code);

    *PUSH(module, function->sites) = parser_site(parser);
    *inst = (Inst){.run = run,
                   .d = NO_SLOT,
                   .a = NO_SLOT,
                   .b = NO_SLOT,
                   .c = NO_SLOT,
                   .guard = statement->guard,
                   .guard_not = statement->guard_not,
                   .kind = (uint8_t)kind};
    return inst;
}

static bool has_part(const Statement *statement, const char *word)
{
    for (int i = 1; i < statement->part_count; i++)
        if (!strcmp(statement->parts[i], word))
            return true;
    return false;
}

static const char *last_part(const Statement *statement)
{
    return statement->parts[statement->part_count - 1];
}

static Type last_type(Parser *parser, const Statement *statement)
{
    Type type = type_named(last_part(statement));
    if (!type)
        parse_error(parser, "the opcode has no type");
    return type;
}

static void want_operands(Parser *parser, const Statement *statement, int least, int most)
{
    if (statement->operand_count < least || statement->operand_count > most)
        parse_error(parser, "%d operands, %d to %d expected", statement->operand_count, least,
                    most);
}

static uint64_t want_immediate(Parser *parser, const Operand *operand)
{
    if (operand->kind != OPERAND_IMMEDIATE)
        parse_error(parser, "a constant expected");
    return operand->value;
}

static uint32_t target_slot(Parser *parser, const Operand *operand, unsigned bytes)
{
    if (operand->kind == OPERAND_SINK)
        return new_slot(parser_function(parser), bytes);
    if (operand->kind != OPERAND_REGISTER)
        parse_error(parser, "the result must be a register");
    return operand_slot(parser, operand, bytes);
}

/* A predicate, complemented by an instruction of its own if it is written !p. */
static uint32_t pred_slot(Parser *parser, const Statement *statement, const Operand *operand)
{
    uint32_t slot = operand_slot(parser, operand, 1);
    if (!operand->negated)
        return slot;
    uint32_t result = new_slot(parser_function(parser), 1);
    Inst *inst = add_inst(parser, statement, run_logic_pred, KIND_PLAIN);
    inst->guard = NO_SLOT;
    inst->d = result;
    inst->a = slot;
    inst->b = constant_slot(parser, 1, ALL_LANES, NULL);
    inst->mode = COMBINE_XOR;
    return result;
}

static uint32_t *new_list(Parser *parser, size_t count)
{
    return module_alloc(parser_module(parser), (count ? count : 1) * sizeof(uint32_t));
}

/* ---------------------------------------------------------------- rows */

static const Row *find_row(const char *key)
{
    for (const Row *row = arith_rows; row->key; row++)
        if (!strcmp(row->key, key))
            return row;
    return NULL;
}

/* The parts of the opcode without what goes into flags. */
static void make_key(const Statement *statement, char *key, size_t len, Inst *flags)
{
    static const char *const dropped[] = {"rn", "approx", "full", "uni", "noftz", "aligned"};
    static const char *const rounds[] = {
        [ROUND_ZERO] = "rz", [ROUND_DOWN] = "rm", [ROUND_UP] = "rp"};
    size_t used = 0;

    key[0] = 0;
    for (int i = 0; i < statement->part_count; i++) {
        const char *part = statement->parts[i];
        bool drop = false;
        for (size_t k = 0; i && k < sizeof dropped / sizeof *dropped; k++)
            drop |= !strcmp(part, dropped[k]);
        for (uint8_t k = ROUND_ZERO; i && k <= ROUND_UP; k++)
            if (!strcmp(part, rounds[k])) {
                flags->round = k;
                drop = true;
            }
        if (i && !strcmp(part, "ftz")) {
            flags->flags |= FLAG_FTZ;
            drop = true;
        }
        if (i && !strcmp(part, "sat")) {
            flags->flags |= FLAG_SAT;
            drop = true;
        }
        if (!drop && used + strlen(part) + 2 < len)
            used += (size_t)snprintf(key + used, len - used, "%s%s", i ? "." : "", part);
    }
}

/* "add.s32" to "add.b32". */
static void unsign_key(char *key)
{
    for (char *c = key; *c; c++)
        if (*c == '.' && (c[1] == 's' || c[1] == 'u') && c[2] >= '1' && c[2] <= '9')
            c[1] = 'b';
}

static void decode_row(Parser *parser, Statement *statement)
{
    char key[128];
    Inst flags = {0};
    make_key(statement, key, sizeof key, &flags);
    const Row *row = find_row(key);
    if (!row) {
        unsign_key(key);
        row = find_row(key);
    }
    if (!row)
        parse_error(parser, "unknown instruction");
    int count = (int)strlen(row->widths);
    want_operands(parser, statement, count, count);
    uint32_t slots[5] = {NO_SLOT, NO_SLOT, NO_SLOT, NO_SLOT, NO_SLOT};
    for (int i = 0; i < count; i++) {
        unsigned bytes = row->widths[i] == 'p' ? 1 : row->widths[i] == '8' ? 8 : 4;
        const Operand *operand = &statement->operands[i];
        if (!i)
            slots[i] = target_slot(parser, operand, bytes);
        else if (bytes == 1)
            slots[i] = pred_slot(parser, statement, operand);
        else
            slots[i] = operand_slot(parser, operand, bytes);
    }
    Inst *inst = add_inst(parser, statement, row->run, KIND_PLAIN);
    inst->d = slots[0];
    inst->a = slots[1];
    inst->b = slots[2];
    inst->c = slots[3];
    if (count == 5) {
        uint32_t *list = new_list(parser, 1);
        list[0] = slots[4];
        inst->list = list;
        inst->list_count = 1;
    }
    inst->round = flags.round;
    inst->type = (uint8_t)last_type(parser, statement);
    inst->flags = flags.flags;
    if (inst->type != TYPE_F32 && inst->type != TYPE_F64)
        inst->flags = 0; /* subnormal f16 are rare, integer saturation has rows of its own */
    if ((flags.flags & FLAG_SAT) && !inst->flags)
        parse_error(parser, "unknown instruction: saturation of this type");
    if (inst->type == TYPE_F64)
        inst->flags &= FLAG_SAT; /* rcp.approx.ftz.f64 */
    if (inst->flags || inst->round) {
        inst->inner = inst->run;
        inst->run = run_wrapped;
    }
}

/* ---------------------------------------------------------------- moves, comparisons */

static void decode_pack(Parser *parser, Statement *statement, bool pack)
{
    const Operand *vector = &statement->operands[pack ? 1 : 0];
    const Operand *whole = &statement->operands[pack ? 0 : 1];
    unsigned bytes = type_bytes(last_type(parser, statement));
    if (vector->count < 2 || bytes % vector->count || bytes > 8)
        parse_error(parser, "unknown form of mov");
    unsigned part = bytes / vector->count;
    uint32_t *list = new_list(parser, vector->count);
    for (uint32_t i = 0; i < vector->count; i++)
        list[i] = pack ? operand_slot(parser, &vector->items[i], 4)
                       : target_slot(parser, &vector->items[i], 4);
    uint32_t slot = pack ? target_slot(parser, whole, bytes == 8 ? 8 : 4)
                         : operand_slot(parser, whole, bytes == 8 ? 8 : 4);
    Inst *inst = add_inst(parser, statement, pack ? run_pack : run_unpack, KIND_PLAIN);
    inst->list = list;
    inst->list_count = (uint8_t)vector->count;
    inst->bytes = (uint8_t)part;
    inst->wide = bytes == 8;
    inst->d = inst->a = slot;
}

static void decode_mov(Parser *parser, Statement *statement)
{
    want_operands(parser, statement, 2, 2);
    const Operand *source = &statement->operands[1];
    if (source->kind == OPERAND_VECTOR || statement->operands[0].kind == OPERAND_VECTOR) {
        decode_pack(parser, statement, source->kind == OPERAND_VECTOR);
        return;
    }
    if (source->kind == OPERAND_SPECIAL && source->special >= SPECIAL_CLOCK) {
        unsigned bytes = source->special == SPECIAL_CLOCK ? 4 : 8;
        uint32_t slot = target_slot(parser, &statement->operands[0], bytes);
        Inst *inst = add_inst(parser, statement, run_read_clock, KIND_PLAIN);
        inst->d = slot;
        inst->wide = bytes == 8;
        return;
    }
    if (source->kind == OPERAND_NAME)
        parse_error(parser, "addresses of functions and labels are not supported");
    decode_row(parser, statement);
}

static int combine_mode(const char *word)
{
    static const char *const names[] = {
        [COMBINE_AND] = "and", [COMBINE_OR] = "or", [COMBINE_XOR] = "xor"};
    for (int i = COMBINE_AND; i <= COMBINE_XOR; i++)
        if (!strcmp(word, names[i]))
            return i;
    return COMBINE_NONE;
}

/* and.pred, or.pred, xor.pred, not.pred */
static bool decode_logic_pred(Parser *parser, Statement *statement)
{
    if (strcmp(last_part(statement), "pred"))
        return false;
    bool inverts = !strcmp(statement->parts[0], "not");
    want_operands(parser, statement, inverts ? 2 : 3, inverts ? 2 : 3);
    uint32_t a = pred_slot(parser, statement, &statement->operands[1]);
    uint32_t b = inverts ? constant_slot(parser, 1, ALL_LANES, NULL)
                         : pred_slot(parser, statement, &statement->operands[2]);
    Inst *inst = add_inst(parser, statement, run_logic_pred, KIND_PLAIN);
    inst->mode = (uint8_t)(inverts ? COMBINE_XOR : combine_mode(statement->parts[0]));
    inst->d = target_slot(parser, &statement->operands[0], 1);
    inst->a = a;
    inst->b = b;
    return true;
}

static void decode_logic(Parser *parser, Statement *statement)
{
    if (!decode_logic_pred(parser, statement))
        decode_row(parser, statement);
}

/* setp.lt.and.f32 p|q, a, b, c; set.lt.u32.f32 d, a, b; testp.finite.f32 p, a */
static void decode_compare(Parser *parser, Statement *statement)
{
    bool set = !strcmp(statement->parts[0], "set"), test = !strcmp(statement->parts[0], "testp");
    Type type = last_type(parser, statement);
    unsigned bytes = lane_bytes(type);
    Compare *compare = statement->part_count > 2 ? find_compare(statement->parts[1], type) : NULL;
    int combine = statement->part_count > 3 ? combine_mode(statement->parts[2]) : COMBINE_NONE;
    int count = test ? 2 : combine ? 4 : 3;

    if (!compare)
        parse_error(parser, "unknown comparison");
    want_operands(parser, statement, count, count);
    uint32_t c = combine ? pred_slot(parser, statement, &statement->operands[3]) : NO_SLOT;
    Inst *inst = add_inst(parser, statement, set ? run_set : run_compare, KIND_PLAIN);
    inst->compare = compare;
    inst->mode = (uint8_t)combine;
    inst->c = c;
    inst->a = operand_slot(parser, &statement->operands[1], bytes);
    inst->b = test ? inst->a : operand_slot(parser, &statement->operands[2], bytes);
    inst->flags = has_part(statement, "ftz") && type == TYPE_F32 ? FLAG_FTZ : 0;
    if (set) {
        inst->type = (uint8_t)type_named(statement->parts[statement->part_count - 2]);
        inst->d = target_slot(parser, &statement->operands[0], 4);
        return;
    }
    inst->d = target_slot(parser, &statement->operands[0], 1);
    if (statement->operands[0].pair != NO_SLOT) {
        uint32_t *list = new_list(parser, 1);
        list[0] = statement->operands[0].pair;
        inst->list = list;
        inst->list_count = 1;
    }
}

static void decode_lop3(Parser *parser, Statement *statement)
{
    want_operands(parser, statement, 5, 5);
    if (statement->part_count != 2)
        parse_error(parser, "unknown form of lop3");
    Inst *inst = add_inst(parser, statement, run_lop3, KIND_PLAIN);
    inst->d = target_slot(parser, &statement->operands[0], 4);
    inst->a = operand_slot(parser, &statement->operands[1], 4);
    inst->b = operand_slot(parser, &statement->operands[2], 4);
    inst->c = operand_slot(parser, &statement->operands[3], 4);
    inst->immediate = (int64_t)(want_immediate(parser, &statement->operands[4]) & 255);
}

/* cvt.rn.f32.s32 d, a; cvt.rn.bf16x2.f32 d, a, b */
static void decode_convert(Parser *parser, Statement *statement)
{
    static const struct {
        const char *name;
        uint8_t round, to_integer;
    } rounds[] = {{"rn", ROUND_NEAREST, 0}, {"rz", ROUND_ZERO, 0},  {"rm", ROUND_DOWN, 0},
                  {"rp", ROUND_UP, 0},      {"rna", ROUND_AWAY, 0}, {"rni", ROUND_NEAREST, 1},
                  {"rzi", ROUND_ZERO, 1},   {"rmi", ROUND_DOWN, 1}, {"rpi", ROUND_UP, 1}};
    Type from = last_type(parser, statement);
    Type to = statement->part_count > 2 ? type_named(statement->parts[statement->part_count - 2])
                                        : TYPE_NONE;
    bool pair = to == TYPE_F16X2 || to == TYPE_BF16X2;
    Inst flags = {0};

    if (!to || from == TYPE_PRED || to == TYPE_PRED || (pair && from != TYPE_F32))
        parse_error(parser, "unknown conversion");
    for (int i = 1; i < statement->part_count - 2; i++) {
        const char *part = statement->parts[i];
        bool known = true;
        if (!strcmp(part, "ftz"))
            flags.flags |= FLAG_FTZ;
        else if (!strcmp(part, "sat"))
            flags.flags |= FLAG_SAT;
        else if (!strcmp(part, "relu"))
            flags.flags |= FLAG_RELU;
        else
            known = false;
        for (size_t k = 0; k < sizeof rounds / sizeof *rounds; k++)
            if (!strcmp(part, rounds[k].name)) {
                flags.round = rounds[k].round;
                flags.mode2 = rounds[k].to_integer;
                known = true;
            }
        if (!known)
            parse_error(parser, "unknown conversion");
    }
    want_operands(parser, statement, pair ? 3 : 2, pair ? 3 : 2);
    const Operand *target = &statement->operands[0], *source = &statement->operands[1];
    /* Registers may be wider than the types. */
    unsigned to_bytes = target->kind == OPERAND_REGISTER ? lane_bytes(target->type) : 4;
    unsigned from_bytes =
        source->kind == OPERAND_REGISTER ? lane_bytes(source->type) : lane_bytes(from);
    if (to_bytes < lane_bytes(to) || from_bytes < lane_bytes(from))
        parse_error(parser, "a register is narrower than its type");
    Inst *inst = add_inst(parser, statement, pair ? run_convert_pair : run_convert, KIND_PLAIN);
    inst->flags = flags.flags;
    inst->round = flags.round;
    inst->mode2 = flags.mode2;
    inst->type = (uint8_t)to;
    inst->type2 = (uint8_t)from;
    inst->d = target_slot(parser, target, to_bytes);
    inst->a = operand_slot(parser, source, from_bytes);
    inst->wide = (uint8_t)((to_bytes == 8) | (from_bytes == 8) << 1);
    if (pair)
        inst->b = operand_slot(parser, &statement->operands[2], 4);
    Handler *quick = find_quick_convert(inst);
    if (quick)
        inst->run = quick;
}

/* ---------------------------------------------------------------- memory */

static Space named_space(const Statement *statement, Space otherwise)
{
    for (int i = 1; i < statement->part_count; i++) {
        const char *part = statement->parts[i];
        if (!strcmp(part, "global") || !strcmp(part, "const"))
            return SPACE_GLOBAL;
        if (!strcmp(part, "shared") || !strcmp(part, "shared::cta"))
            return SPACE_SHARED;
        if (!strcmp(part, "local"))
            return SPACE_LOCAL;
        if (!strcmp(part, "param") || !strcmp(part, "param::entry") || !strcmp(part, "param::func"))
            return SPACE_PARAM;
    }
    return otherwise;
}

/* Sets space, base register (a), its width and the offset. */
static void set_address(Parser *parser, Inst *inst, const Operand *address, Space space)
{
    if (address->kind != OPERAND_ADDRESS)
        parse_error(parser, "an address expected");
    inst->immediate = (int64_t)address->value;
    inst->a = address->slot;
    if (address->base_wide)
        inst->wide |= 2;
    if (address->symbol) {
        const Symbol *symbol = address->symbol;
        if (space == SPACE_PARAM || space == SPACE_GENERIC)
            space = symbol->space;
        if (space != symbol->space)
            parse_error(parser, "'%s' is in another space", symbol->name);
        if (space == SPACE_GLOBAL || space == SPACE_PARAM) {
            inst->immediate += (int64_t)symbol->address;
        } else {
            inst->a = constant_slot(parser, 8, 0, symbol);
            inst->wide |= 2;
        }
    } else if (space == SPACE_PARAM && !parser_function(parser)->entry) {
        space = SPACE_LOCAL;
    }
    inst->space = (uint8_t)space;
}

/* The registers that are loaded or stored; 4 or 8 bytes a lane, all the same. */
static void set_data(Parser *parser, Inst *inst, const Operand *data, unsigned least, bool store)
{
    bool vector = data->kind == OPERAND_VECTOR;
    uint32_t count = vector ? data->count : 1;
    const Operand *items = vector ? data->items : data;
    unsigned bytes = least;

    for (uint32_t i = 0; i < count; i++)
        if (items[i].kind == OPERAND_REGISTER && lane_bytes(items[i].type) > bytes)
            bytes = lane_bytes(items[i].type);
    uint32_t *list = new_list(parser, count);
    for (uint32_t i = 0; i < count; i++)
        list[i] =
            store ? operand_slot(parser, &items[i], bytes) : target_slot(parser, &items[i], bytes);
    inst->list = list;
    inst->list_count = (uint8_t)count;
    if (bytes == 8)
        inst->wide |= 1;
}

static unsigned vector_count(const Statement *statement)
{
    return has_part(statement, "v2")   ? 2
           : has_part(statement, "v4") ? 4
           : has_part(statement, "v8") ? 8
                                       : 1;
}

static void check_cache_hints(Parser *parser, const Statement *statement)
{
    static const char *const known[] = {"weak",   "volatile", "relaxed", "acquire", "release",
                                        "mmio",   "sys",      "gpu",     "cta",     "cluster",
                                        "global", "const",    "shared",  "local",   "param",
                                        "ca",     "cg",       "cs",      "lu",      "cv",
                                        "wb",     "wt",       "nc",      "v2",      "v4",
                                        "v8",     "acq_rel",  "async",   "noftz"};
    for (int i = 1; i < statement->part_count - 1; i++) {
        const char *part = statement->parts[i];
        bool good = strstr(part, "::") != NULL && strcmp(part, "L2::cache_hint") &&
                    strcmp(part, "shared::cluster");
        for (size_t k = 0; !good && k < sizeof known / sizeof *known; k++)
            good = !strcmp(part, known[k]);
        if (!good)
            parse_error(parser, "unknown instruction: '.%s'", part);
    }
}

static uint8_t strength(const Statement *statement)
{
    return has_part(statement, "volatile") || has_part(statement, "relaxed") ||
                   has_part(statement, "acquire") || has_part(statement, "release") ||
                   has_part(statement, "mmio")
               ? FLAG_STRONG
               : 0;
}

static void decode_load_store(Parser *parser, Statement *statement)
{
    bool store = statement->parts[0][0] == 's';
    Type type = last_type(parser, statement);
    want_operands(parser, statement, 2, 2);
    check_cache_hints(parser, statement);
    if (type == TYPE_PRED || type == TYPE_B128)
        parse_error(parser, "unknown type of a load or store");
    Inst *inst = add_inst(parser, statement, store ? run_store : run_load, KIND_PLAIN);
    inst->bytes = (uint8_t)type_bytes(type);
    inst->count = (uint8_t)vector_count(statement);
    inst->flags = strength(statement);
    if (type_is_signed(type))
        inst->flags |= FLAG_SIGNED;
    if (has_part(statement, "nc"))
        inst->flags |= FLAG_CONSTANT;
    if (has_part(statement, "release"))
        inst->flags |= FLAG_RELEASE;
    set_address(parser, inst, &statement->operands[store ? 0 : 1],
                named_space(statement, SPACE_GENERIC));
    set_data(parser, inst, &statement->operands[store ? 1 : 0], lane_bytes(type), store);
    if (inst->list_count != inst->count)
        parse_error(parser, "the vector has another length than its type");
    if (inst->space == SPACE_PARAM) {
        if (store)
            parse_error(parser, "a kernel's parameters cannot be written");
        inst->run = run_load_param;
    }
}

/* Element i of a vector of that many; of one, the operand itself. */
static const Operand *vector_item(Parser *parser, const Operand *operand, unsigned i,
                                  unsigned count)
{
    if (count == 1)
        return operand;
    if (operand->kind != OPERAND_VECTOR || operand->count != count)
        parse_error(parser, "the vector has another length than its type");
    return &operand->items[i];
}

/* atom.global.add.f32 d, [a], b; red.global.add.f32 [a], b; atom.cas d, [a], b, c. The list has the
 * registers of b, then those of d. */
static void decode_atomic(Parser *parser, Statement *statement)
{
    static const char *const names[] = {
        [ATOM_ADD] = "add", [ATOM_MIN] = "min", [ATOM_MAX] = "max",   [ATOM_AND] = "and",
        [ATOM_OR] = "or",   [ATOM_XOR] = "xor", [ATOM_EXCH] = "exch", [ATOM_CAS] = "cas",
        [ATOM_INC] = "inc", [ATOM_DEC] = "dec"};
    bool red = !strcmp(statement->parts[0], "red");
    Type type = last_type(parser, statement);
    int mode = -1;

    for (int i = 1; i < statement->part_count - 1; i++)
        for (int k = 0; k <= ATOM_DEC; k++)
            if (!strcmp(statement->parts[i], names[k]))
                mode = k;
    bool pairs = type == TYPE_F16X2 || type == TYPE_BF16X2;
    unsigned elements = vector_count(statement);
    if (mode < 0 || type_bytes(type) > 8 || type_bytes(type) < 2 ||
        ((pairs || elements > 1) && mode != ATOM_ADD))
        parse_error(parser, "unknown atomic instruction");
    int count = (red ? 2 : 3) + (mode == ATOM_CAS);
    want_operands(parser, statement, count, count);
    const Operand *operands = statement->operands + (red ? -1 : 0);
    unsigned bytes = lane_bytes(type);
    uint32_t *list = new_list(parser, 2 * elements);
    for (unsigned i = 0; i < elements; i++) {
        list[i] = operand_slot(parser, vector_item(parser, &operands[2], i, elements), bytes);
        list[elements + i] = NO_SLOT;
        if (!red)
            list[elements + i] =
                target_slot(parser, vector_item(parser, &operands[0], i, elements), bytes);
    }
    Inst *inst = add_inst(parser, statement, run_atomic, KIND_PLAIN);
    inst->mode = (uint8_t)mode;
    inst->type = (uint8_t)type;
    inst->bytes = (uint8_t)type_bytes(type);
    inst->count = (uint8_t)elements;
    inst->list = list;
    inst->list_count = (uint8_t)(2 * elements);
    if (mode == ATOM_CAS)
        inst->c = operand_slot(parser, &operands[3], bytes);
    inst->flags = FLAG_STRONG;
    if (has_part(statement, "release") || has_part(statement, "acq_rel"))
        inst->flags |= FLAG_RELEASE;
    set_address(parser, inst, &operands[1], named_space(statement, SPACE_GENERIC));
    if (inst->space != SPACE_GLOBAL && inst->space != SPACE_SHARED && inst->space != SPACE_GENERIC)
        parse_error(parser, "an atomic instruction on this space");
}

static void decode_cvta(Parser *parser, Statement *statement)
{
    bool to = has_part(statement, "to"), test = !strcmp(statement->parts[0], "isspacep");
    want_operands(parser, statement, 2, 2);
    unsigned bytes = test ? 8 : lane_bytes(last_type(parser, statement));
    if (bytes != 8)
        parse_error(parser, "addresses must have 64 bits");
    Inst *inst = add_inst(parser, statement,
                          test ? run_is_space
                          : to ? run_from_generic
                               : run_to_generic,
                          KIND_PLAIN);
    inst->space = (uint8_t)named_space(statement, SPACE_GENERIC);
    if (inst->space == SPACE_GENERIC)
        parse_error(parser, "unknown space");
    inst->d = target_slot(parser, &statement->operands[0], test ? 1 : 8);
    inst->a = operand_slot(parser, &statement->operands[1], 8);
}

/* The target is in c, its offset in target; the source as in a load. */
static void decode_async_copy(Parser *parser, Statement *statement)
{
    want_operands(parser, statement, 3, 5);
    if (!has_part(statement, "ca") && !has_part(statement, "cg"))
        parse_error(parser, "unknown form of cp.async");
    Inst source = {.a = NO_SLOT};
    uint32_t size_slot = NO_SLOT, ignore = NO_SLOT;
    for (int i = 3; i < statement->operand_count; i++) {
        const Operand *operand = &statement->operands[i];
        if (operand->kind == OPERAND_REGISTER && operand->type == TYPE_PRED)
            ignore = pred_slot(parser, statement, operand);
        else if (operand->kind == OPERAND_REGISTER && lane_bytes(operand->type) == 8)
            parse_error(parser, "cp.async with a cache policy is not supported");
        else
            size_slot = operand_slot(parser, operand, 4);
    }
    uint64_t bytes = want_immediate(parser, &statement->operands[2]);
    if (bytes != 16 && (has_part(statement, "cg") || (bytes != 4 && bytes != 8)))
        parse_error(parser, "cp.async copies 4, 8 or 16 bytes, .cg 16 only");
    set_address(parser, &source, &statement->operands[1], SPACE_GLOBAL);
    Inst *inst = add_inst(parser, statement, run_async_copy, KIND_PLAIN);
    set_address(parser, inst, &statement->operands[0], SPACE_SHARED);
    inst->c = inst->a; /* target's base */
    inst->mode2 = inst->wide & 2 ? 1 : 0;
    inst->target = (uint32_t)inst->immediate;
    inst->a = source.a;
    inst->wide = source.wide;
    inst->immediate = source.immediate;
    inst->space = SPACE_GLOBAL;
    inst->b = size_slot;
    inst->d = ignore;
    inst->bytes = (uint8_t)bytes;
    inst->count = 1;
}

static void decode_cp(Parser *parser, Statement *statement)
{
    if (statement->part_count < 2 || strcmp(statement->parts[1], "async"))
        parse_error(parser, "unknown instruction");
    if (has_part(statement, "bulk") || has_part(statement, "mbarrier"))
        parse_error(parser, "unknown instruction: bulk copies are not supported");
    bool all = has_part(statement, "wait_all");
    if (has_part(statement, "commit_group")) {
        add_inst(parser, statement, run_async_commit, KIND_PLAIN);
    } else if (has_part(statement, "wait_group") || all) {
        want_operands(parser, statement, all ? 0 : 1, all ? 0 : 1);
        Inst *inst = add_inst(parser, statement, run_async_wait, KIND_PLAIN);
        inst->mode = all;
        inst->immediate = all ? 0 : (int64_t)want_immediate(parser, &statement->operands[0]);
    } else {
        decode_async_copy(parser, statement);
    }
}

/* ---------------------------------------------------------------- control */

static void decode_branch(Parser *parser, Statement *statement)
{
    if (statement->part_count > 1 && !strcmp(statement->parts[1], "idx")) {
        want_operands(parser, statement, 2, 2);
        Inst table = {0};
        switch_to(parser, &statement->operands[1], &table);
        Inst *inst = add_inst(parser, statement, NULL, KIND_SWITCH);
        inst->list = table.list;
        inst->list_count = table.list_count;
        inst->a = operand_slot(parser, &statement->operands[0], 4);
        return;
    }
    want_operands(parser, statement, 1, 1);
    branch_to(parser, &statement->operands[0]);
    add_inst(parser, statement, NULL, KIND_BRANCH);
}

static void add_copy(Parser *parser, const Statement *statement, const Symbol *from,
                     const Symbol *to)
{
    const Symbol **pair = module_alloc(parser_module(parser), 2 * sizeof *pair);
    pair[0] = from;
    pair[1] = to;
    Inst *inst = add_inst(parser, statement, run_copy_local, KIND_PLAIN);
    inst->immediate = (int64_t)(uintptr_t)pair;
    inst->target = (uint32_t)(from->bytes < to->bytes ? from->bytes : to->bytes);
}

static void copy_arguments(Parser *parser, const Statement *statement, const Operand *list,
                           Symbol *const *formals, size_t count, bool back)
{
    if ((list ? list->count : 0) != count)
        parse_error(parser, "the call has another number of parameters than the function");
    for (size_t i = 0; i < count; i++) {
        const Operand *item = &list->items[i];
        if (item->kind != OPERAND_VARIABLE || item->symbol->space != SPACE_LOCAL)
            parse_error(parser, "parameters of a call must be .param variables");
        if (back)
            add_copy(parser, statement, formals[i], item->symbol);
        else
            add_copy(parser, statement, item->symbol, formals[i]);
    }
}

/* call (r), f, (a, b); call f, (a); call f */
static void decode_call(Parser *parser, Statement *statement)
{
    int at = 0;
    const Operand *results = NULL, *arguments = NULL;
    want_operands(parser, statement, 1, 3);
    if (statement->operands[0].kind == OPERAND_LIST)
        results = &statement->operands[at++];
    if (at >= statement->operand_count || statement->operands[at].kind != OPERAND_NAME)
        parse_error(parser, "calls through a register are not supported");
    const Operand *name = &statement->operands[at++];
    if (at < statement->operand_count)
        arguments = &statement->operands[at];
    Function *callee = find_function(parser, name->name, name->name_len);
    if (!callee || callee->entry)
        parse_error(parser, "unknown function");
    Function *function = parser_function(parser);
    copy_arguments(parser, statement, arguments, callee->formals.items, callee->formals.count,
                   false);
    Inst *inst = add_inst(parser, statement, NULL, KIND_CALL);
    inst->target = callee->index;
    *PUSH(parser_module(parser), function->callees) = callee;
    copy_arguments(parser, statement, results, callee->results.items, callee->results.count, true);
}

static void decode_return(Parser *parser, Statement *statement)
{
    const Function *function = parser_function(parser);
    bool leave = function->entry || !strcmp(statement->parts[0], "exit");
    Inst *inst = add_inst(parser, statement, NULL, leave ? KIND_EXIT : KIND_RETURN);
    if (!leave)
        inst->a = function->return_slot;
}

static void decode_trap(Parser *parser, Statement *statement)
{
    add_inst(parser, statement, NULL, KIND_TRAP);
}

static void decode_nothing(Parser *parser, Statement *statement)
{
    add_inst(parser, statement, run_nothing, KIND_PLAIN);
}

static void decode_fence(Parser *parser, Statement *statement)
{
    Inst *inst = add_inst(parser, statement, run_fence, KIND_PLAIN);
    inst->mode = has_part(statement, "cta");
}

/* ---------------------------------------------------------------- barriers and collectives */

static void decode_warp_barrier(Parser *parser, Statement *statement)
{
    want_operands(parser, statement, 1, 1);
    Inst *inst = add_inst(parser, statement, run_warp_barrier, KIND_COLLECTIVE);
    inst->c = operand_slot(parser, &statement->operands[0], 4);
}

/* bar.sync a{, b}; bar.arrive a, b; bar.red.popc.u32 d, a{, b}, {!}p */
static void decode_barrier(Parser *parser, Statement *statement)
{
    static const char *const names[] = {"sync", "arrive", "popc", "and", "or"};
    int mode = -1, at = 0;

    if (has_part(statement, "warp")) {
        decode_warp_barrier(parser, statement);
        return;
    }
    if (has_part(statement, "cluster"))
        parse_error(parser, "unknown instruction: clusters are not supported");
    for (int i = 0; i <= BARRIER_OR; i++)
        if (has_part(statement, names[i]))
            mode = i;
    if (mode < 0)
        parse_error(parser, "unknown barrier");
    bool reduces = mode >= BARRIER_POPC;
    want_operands(parser, statement, reduces ? 3 : mode == BARRIER_ARRIVE ? 2 : 1, reduces ? 4 : 2);
    uint32_t vote = NO_SLOT;
    int last = statement->operand_count - 1;
    if (reduces)
        vote = pred_slot(parser, statement, &statement->operands[last--]);
    Inst *inst = add_inst(parser, statement, NULL, KIND_BARRIER);
    inst->mode = (uint8_t)mode;
    /* barrier.sync without .aligned lets the lanes of a warp come one by one */
    inst->mode2 = !strcmp(statement->parts[0], "bar") || has_part(statement, "aligned");
    if (reduces)
        inst->d = target_slot(parser, &statement->operands[at++], mode == BARRIER_POPC ? 4 : 1);
    inst->a = operand_slot(parser, &statement->operands[at++], 4);
    if (at <= last)
        inst->b = operand_slot(parser, &statement->operands[at], 4);
    inst->c = vote;
}

/* d|p, a, b, c, mask */
static void decode_shuffle(Parser *parser, Statement *statement)
{
    static const char *const names[] = {"up", "down", "bfly", "idx"};
    int mode = -1;
    want_operands(parser, statement, 5, 5);
    if (statement->part_count != 4 || strcmp(statement->parts[1], "sync"))
        parse_error(parser, "unknown form of shfl");
    for (int i = 0; i < 4; i++)
        if (!strcmp(statement->parts[2], names[i]))
            mode = i;
    if (mode < 0)
        parse_error(parser, "unknown form of shfl");
    Inst *inst = add_inst(parser, statement, run_shuffle, KIND_COLLECTIVE);
    uint32_t *list = new_list(parser, 3);
    inst->mode = (uint8_t)mode;
    inst->d = target_slot(parser, &statement->operands[0], 4);
    inst->a = operand_slot(parser, &statement->operands[1], 4);
    inst->b = operand_slot(parser, &statement->operands[2], 4);
    inst->c = operand_slot(parser, &statement->operands[4], 4);
    list[0] = operand_slot(parser, &statement->operands[3], 4);
    list[1] = statement->operands[0].pair;
    inst->list = list;
    inst->list_count = 2;
}

static void decode_vote(Parser *parser, Statement *statement)
{
    static const char *const names[] = {"all", "any", "uni", "ballot"};
    int mode = -1;
    want_operands(parser, statement, 3, 3);
    for (int i = 0; i < 4; i++)
        if (has_part(statement, names[i]))
            mode = i;
    if (mode < 0 || !has_part(statement, "sync"))
        parse_error(parser, "unknown form of vote");
    uint32_t vote = pred_slot(parser, statement, &statement->operands[1]);
    Inst *inst = add_inst(parser, statement, run_vote, KIND_COLLECTIVE);
    inst->mode = (uint8_t)mode;
    inst->d = target_slot(parser, &statement->operands[0], mode == VOTE_BALLOT ? 4 : 1);
    inst->a = vote;
    inst->c = operand_slot(parser, &statement->operands[2], 4);
}

/* match.any.sync.b32 d, a, mask; match.all.sync.b32 d|p, a, mask */
static void decode_match(Parser *parser, Statement *statement)
{
    want_operands(parser, statement, 3, 3);
    unsigned bytes = lane_bytes(last_type(parser, statement));
    Inst *inst = add_inst(parser, statement, run_match, KIND_COLLECTIVE);
    uint32_t *list = new_list(parser, 1);
    inst->mode = has_part(statement, "all");
    inst->wide = bytes == 8;
    inst->d = target_slot(parser, &statement->operands[0], 4);
    inst->a = operand_slot(parser, &statement->operands[1], bytes);
    inst->c = operand_slot(parser, &statement->operands[2], 4);
    list[0] = statement->operands[0].pair;
    inst->list = list;
    inst->list_count = 1;
}

static void decode_redux(Parser *parser, Statement *statement)
{
    static const char *const names[] = {[ATOM_ADD] = "add", [ATOM_MIN] = "min", [ATOM_MAX] = "max",
                                        [ATOM_AND] = "and", [ATOM_OR] = "or",   [ATOM_XOR] = "xor"};
    Type type = last_type(parser, statement);
    int mode = -1;
    want_operands(parser, statement, 3, 3);
    for (int i = 0; i <= ATOM_XOR; i++)
        if (has_part(statement, names[i]))
            mode = i;
    if (mode < 0 || lane_bytes(type) != 4 || type == TYPE_F32)
        parse_error(parser, "unknown form of redux");
    Inst *inst = add_inst(parser, statement, run_redux, KIND_COLLECTIVE);
    inst->mode = (uint8_t)mode;
    inst->type = (uint8_t)type;
    inst->d = target_slot(parser, &statement->operands[0], 4);
    inst->a = operand_slot(parser, &statement->operands[1], 4);
    inst->c = operand_slot(parser, &statement->operands[2], 4);
}

static void decode_elect(Parser *parser, Statement *statement)
{
    want_operands(parser, statement, 2, 2);
    if (statement->operands[0].pair == NO_SLOT)
        parse_error(parser, "elect.sync gives a predicate");
    Inst *inst = add_inst(parser, statement, run_elect, KIND_COLLECTIVE);
    inst->d = target_slot(parser, &statement->operands[0], 4);
    inst->b = statement->operands[0].pair;
    inst->c = operand_slot(parser, &statement->operands[1], 4);
}

static void decode_active_mask(Parser *parser, Statement *statement)
{
    want_operands(parser, statement, 1, 1);
    Inst *inst = add_inst(parser, statement, run_active_mask, KIND_PLAIN);
    inst->d = target_slot(parser, &statement->operands[0], 4);
}

/* ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {r, r, r, r}, [a]; stmatrix [a], {...} */
static void decode_matrix_move(Parser *parser, Statement *statement)
{
    bool store = statement->parts[0][0] == 's';
    want_operands(parser, statement, 2, 2);
    uint32_t count = has_part(statement, "x4") ? 4 : has_part(statement, "x2") ? 2 : 1;
    const Operand *data = &statement->operands[store ? 1 : 0];
    if (!has_part(statement, "m8n8") || strcmp(last_part(statement), "b16") ||
        data->kind != OPERAND_VECTOR || data->count != count)
        parse_error(parser, "unknown form of %s", statement->parts[0]);
    Inst *inst =
        add_inst(parser, statement, store ? run_store_matrix : run_load_matrix, KIND_COLLECTIVE);
    set_address(parser, inst, &statement->operands[store ? 0 : 1],
                named_space(statement, SPACE_GENERIC));
    set_data(parser, inst, data, 4, store);
    inst->mode = has_part(statement, "trans");
    inst->bytes = 16; /* of a row */
    inst->count = 1;
    inst->c = constant_slot(parser, 4, ALL_LANES, NULL);
}

/* mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 d, a, b, c; all fragments in one list */
static void decode_mma(Parser *parser, Statement *statement)
{
    int count[4];
    want_operands(parser, statement, 4, 4);
    if (statement->part_count != 10 || strcmp(statement->parts[1], "sync") ||
        strcmp(statement->parts[4], "row") || strcmp(statement->parts[5], "col"))
        parse_error(parser, "unknown form of mma");
    Type d = type_named(statement->parts[6]), a = type_named(statement->parts[7]);
    Type b = type_named(statement->parts[8]), c = type_named(statement->parts[9]);
    int shape = find_matrix_shape(statement->parts[3], a, c);
    if (shape < 0 || a != b || c != d)
        parse_error(parser, "unknown form of mma");
    matrix_registers(shape, count);
    uint32_t *list = new_list(parser, 32);
    uint8_t used = 0;
    unsigned ab = a == TYPE_F64 ? 8 : 4, cd = c == TYPE_F64 ? 8 : 4;
    for (int i = 0; i < 4; i++) {
        const Operand *operand = &statement->operands[i];
        bool vector = operand->kind == OPERAND_VECTOR;
        const Operand *items = vector ? operand->items : operand;
        if ((vector ? (int)operand->count : 1) != count[i])
            parse_error(parser, "a fragment has %d registers, not %d", count[i],
                        vector ? (int)operand->count : 1);
        for (int k = 0; k < count[i]; k++)
            list[used++] = i == 0 ? target_slot(parser, &items[k], cd)
                                  : operand_slot(parser, &items[k], i == 3 ? cd : ab);
    }
    Inst *inst = add_inst(parser, statement, run_matrix_multiply, KIND_COLLECTIVE);
    inst->list = list;
    inst->list_count = used;
    inst->mode = (uint8_t)shape;
    inst->type = (uint8_t)a;
    inst->type2 = (uint8_t)c;
    inst->c = constant_slot(parser, 4, ALL_LANES, NULL);
}

/* ---------------------------------------------------------------- all opcodes */

static const struct {
    const char *name;
    Decode *decode;
} opcodes[] = {
    {"mov", decode_mov},
    {"and", decode_logic},
    {"or", decode_logic},
    {"xor", decode_logic},
    {"not", decode_logic},
    {"setp", decode_compare},
    {"set", decode_compare},
    {"testp", decode_compare},
    {"lop3", decode_lop3},
    {"cvt", decode_convert},
    {"ld", decode_load_store},
    {"ldu", decode_load_store},
    {"st", decode_load_store},
    {"atom", decode_atomic},
    {"red", decode_atomic},
    {"cvta", decode_cvta},
    {"isspacep", decode_cvta},
    {"cp", decode_cp},
    {"bra", decode_branch},
    {"brx", decode_branch},
    {"call", decode_call},
    {"ret", decode_return},
    {"exit", decode_return},
    {"trap", decode_trap},
    {"brkpt", decode_trap},
    {"nanosleep", decode_nothing},
    {"prefetch", decode_nothing},
    {"prefetchu", decode_nothing},
    {"griddepcontrol", decode_nothing},
    {"pmevent", decode_nothing},
    {"membar", decode_fence},
    {"fence", decode_fence},
    {"bar", decode_barrier},
    {"barrier", decode_barrier},
    {"shfl", decode_shuffle},
    {"vote", decode_vote},
    {"match", decode_match},
    {"redux", decode_redux},
    {"elect", decode_elect},
    {"activemask", decode_active_mask},
    {"ldmatrix", decode_matrix_move},
    {"stmatrix", decode_matrix_move},
    {"mma", decode_mma},
};

void decode_statement(Parser *parser, Statement *statement)
{
    if (!parser_function(parser))
        parse_error(parser, "an instruction outside of a function");
    for (size_t i = 0; i < sizeof opcodes / sizeof *opcodes; i++)
        if (!strcmp(statement->parts[0], opcodes[i].name)) {
            opcodes[i].decode(parser, statement);
            return;
        }
    decode_row(parser, statement);
}
