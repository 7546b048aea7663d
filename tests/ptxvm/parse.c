/* parse.c -- pTX text to functions: a reader of characters, names and their scopes, directives,
 * operands. */
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "ptx.h"

bool link_kernel(Module *module, Function *entry, char *message, size_t len);

enum { MAX_DEPTH = 64, SYMBOL_BUCKETS = 1024 };

typedef struct {
    const char *name;
    size_t name_len;
    uint32_t pc;
    int scope;
    uint32_t *targets; /* of .branchtargets: label references, see below */
    size_t target_count;
} Label;

typedef struct {
    const char *name;
    size_t name_len;
    uint32_t pc;    /* of the branch */
    uint32_t *fill; /* entry of a switch table, else the branch's target */
    int scope;
    uint32_t line;
} Reference;

struct Parser {
    Module *module;
    Function *function; /* being parsed, else NULL */
    const char *text, *at;
    uint32_t line;
    jmp_buf fail;
    char *message;
    size_t message_len;
    Symbol *symbols[SYMBOL_BUCKETS];
    int depth;             /* of braces */
    int scopes[MAX_DEPTH]; /* numbers of the open scopes */
    int *parents;          /* by number of a scope */
    int scope_count, scope_room;
    ARRAY(Label) labels;
    ARRAY(Reference) references;
    const char *statement; /* where it starts */
    uint32_t statement_line;
};

Module *parser_module(Parser *parser) { return parser->module; }
Function *parser_function(Parser *parser) { return parser->function; }

/* Ends the parsing with a message that names the line and quotes the statement. */
void parse_error(Parser *parser, const char *format, ...)
{
    char what[512];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    const char *start = parser->statement ? parser->statement : parser->at;
    int len = (int)strcspn(start, ";\n{");
    snprintf(parser->message, parser->message_len, "line %u '%.*s': %s",
             parser->statement ? parser->statement_line : parser->line, len < 160 ? len : 160,
             start, what);
    longjmp(parser->fail, 1);
}

/* ---------------------------------------------------------------- characters */

static void skip_space(Parser *parser)
{
    for (;;) {
        char c = *parser->at;
        if (c == '\n') {
            parser->line++;
            parser->at++;
        } else if (c && isspace((unsigned char)c)) {
            parser->at++;
        } else if (c == '/' && parser->at[1] == '/') {
            parser->at += strcspn(parser->at, "\n");
        } else if (c == '/' && parser->at[1] == '*') {
            const char *end = strstr(parser->at + 2, "*/");
            if (!end)
                parse_error(parser, "a comment without end");
            for (; parser->at < end + 2; parser->at++)
                parser->line += *parser->at == '\n';
        } else {
            return;
        }
    }
}

static bool accept(Parser *parser, char c)
{
    skip_space(parser);
    if (*parser->at != c)
        return false;
    parser->at++;
    return true;
}

static void expect(Parser *parser, char c)
{
    if (!accept(parser, c))
        parse_error(parser, "'%c' expected", c);
}

static bool is_name_start(char c)
{
    return isalpha((unsigned char)c) || c == '_' || c == '$' || c == '%' || c == '.';
}

static bool is_name(char c) { return isalnum((unsigned char)c) || c == '_' || c == '$'; }

/* A name, without dots but for the first character; 0 if there is none. */
static size_t read_name(Parser *parser, const char **name)
{
    skip_space(parser);
    *name = parser->at;
    if (!is_name_start(*parser->at))
        return 0;
    parser->at++;
    while (is_name(*parser->at))
        parser->at++;
    return (size_t)(parser->at - *name);
}

static char *copy_name(Parser *parser, const char *name, size_t len)
{
    char *result = module_alloc(parser->module, len + 1);
    memcpy(result, name, len);
    return result;
}

static bool is(const char *name, size_t len, const char *word)
{
    return strlen(word) == len && !memcmp(name, word, len);
}

/* An integer, or the bits of 0f... and 0d... */
static uint64_t read_number(Parser *parser, bool *is_float, bool *is_double)
{
    skip_space(parser);
    *is_float = *is_double = false;
    bool minus = false;
    while (*parser->at == '-' || *parser->at == '+') {
        minus ^= *parser->at++ == '-';
        skip_space(parser);
    }
    if (!isdigit((unsigned char)*parser->at))
        parse_error(parser, "a number expected");
    const char *s = parser->at;
    char *end;
    uint64_t value;
    if (s[0] == '0' && strchr("fFdD", s[1]) && isxdigit((unsigned char)s[2])) {
        *is_double = strchr("dD", s[1]) != NULL;
        *is_float = !*is_double;
        value = strtoull(s + 2, &end, 16);
    } else if (s[0] == '0' && (s[1] == 'b' || s[1] == 'B')) {
        value = strtoull(s + 2, &end, 2);
    } else {
        value = strtoull(s, &end, 0);
        if (*end == '.' || *end == 'e') { /* a decimal floating-point number */
            double real = strtod(s, &end);
            memcpy(&value, &real, sizeof value);
            *is_double = true;
        }
    }
    parser->at = end;
    if (*parser->at == 'U' || *parser->at == 'u')
        parser->at++;
    if (minus && *is_float)
        return value ^ 0x80000000u;
    if (minus && *is_double)
        return value ^ 0x8000000000000000u;
    return minus ? 0 - value : value;
}

static uint64_t read_integer(Parser *parser)
{
    bool is_float, is_double;
    uint64_t value = read_number(parser, &is_float, &is_double);
    if (is_float || is_double)
        parse_error(parser, "an integer expected");
    return value;
}

/* ---------------------------------------------------------------- types */

static const struct {
    const char *name;
    Type type;
    unsigned bytes;
} types[] = {{"pred", TYPE_PRED, 1}, {"b8", TYPE_B8, 1},       {"u8", TYPE_U8, 1},
             {"s8", TYPE_S8, 1},     {"b16", TYPE_B16, 2},     {"u16", TYPE_U16, 2},
             {"s16", TYPE_S16, 2},   {"f16", TYPE_F16, 2},     {"bf16", TYPE_BF16, 2},
             {"b32", TYPE_B32, 4},   {"u32", TYPE_U32, 4},     {"s32", TYPE_S32, 4},
             {"f32", TYPE_F32, 4},   {"f16x2", TYPE_F16X2, 4}, {"bf16x2", TYPE_BF16X2, 4},
             {"u16x2", TYPE_B32, 4}, {"s16x2", TYPE_B32, 4},   {"tf32", TYPE_TF32, 4},
             {"b64", TYPE_B64, 8},   {"u64", TYPE_U64, 8},     {"s64", TYPE_S64, 8},
             {"f64", TYPE_F64, 8},   {"b128", TYPE_B128, 16}};

/* The type of that name, without the dot; TYPE_NONE if there is none. */
Type type_named(const char *name)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(types[i].name, name))
            return types[i].type;
    return TYPE_NONE;
}

unsigned type_bytes(Type type)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].type == type)
            return types[i].bytes;
    return 0;
}

unsigned lane_bytes(Type type)
{
    unsigned bytes = type_bytes(type);
    return type == TYPE_PRED ? 1 : bytes <= 4 ? 4 : bytes;
}

bool type_is_signed(Type type)
{
    return type == TYPE_S8 || type == TYPE_S16 || type == TYPE_S32 || type == TYPE_S64;
}

static Type read_type(Parser *parser)
{
    const char *name;
    size_t len = read_name(parser, &name);
    char word[16] = "";
    if (len > 1 && len < sizeof word && *name == '.')
        memcpy(word, name + 1, len - 1);
    Type type = type_named(word);
    if (!type)
        parse_error(parser, "a type expected, not '%.*s'", (int)len, name);
    return type;
}

/* ---------------------------------------------------------------- names */

static unsigned hash_name(const char *name, size_t len)
{
    unsigned hash = 5381;
    for (size_t i = 0; i < len; i++)
        hash = hash * 33 + (unsigned char)name[i];
    return hash % SYMBOL_BUCKETS;
}

static Symbol *add_symbol(Parser *parser, SymbolKind kind, const char *name, size_t len)
{
    Symbol *symbol = module_alloc(parser->module, sizeof *symbol);
    unsigned bucket = hash_name(name, len);
    symbol->kind = kind;
    symbol->name = copy_name(parser, name, len);
    symbol->name_len = len;
    symbol->depth = parser->depth;
    symbol->align = 1;
    symbol->function = parser->function;
    symbol->next = parser->symbols[bucket];
    parser->symbols[bucket] = symbol;
    return symbol;
}

static Symbol *find_symbol(const Parser *parser, const char *name, size_t len)
{
    Symbol *symbol = parser->symbols[hash_name(name, len)];
    while (symbol && !(symbol->name_len == len && !memcmp(symbol->name, name, len)))
        symbol = symbol->next;
    return symbol;
}

static void drop_symbols(Parser *parser, int depth)
{
    for (int i = 0; i < SYMBOL_BUCKETS; i++)
        while (parser->symbols[i] && parser->symbols[i]->depth > depth)
            parser->symbols[i] = parser->symbols[i]->next;
}

static void open_scope(Parser *parser)
{
    if (parser->depth + 1 >= MAX_DEPTH)
        parse_error(parser, "scopes are nested too deeply");
    if (parser->scope_count == parser->scope_room) {
        parser->scope_room = parser->scope_room ? parser->scope_room * 2 : 64;
        int *parents = realloc(parser->parents, (size_t)parser->scope_room * sizeof *parents);
        if (!parents)
            abort();
        parser->parents = parents;
    }
    parser->parents[parser->scope_count] = parser->depth ? parser->scopes[parser->depth] : -1;
    parser->scopes[++parser->depth] = parser->scope_count++;
}

static void close_scope(Parser *parser) { drop_symbols(parser, --parser->depth); }

/* A new register of the function; `bytes` a lane, 1: a predicate. */
uint32_t new_slot(Function *function, unsigned bytes)
{
    uint32_t len = bytes == 1 ? 4 : bytes * LANES;
    uint32_t start = function->register_bytes;
    if (bytes > 1)
        start = (start + 63) & ~63u;
    function->register_bytes = start + len;
    return start;
}

/* The register of that name; count is the number behind a name declared as NAME<count>. */
static bool find_register(Parser *parser, const char *name, size_t len, uint32_t *slot, Type *type)
{
    const Symbol *symbol = find_symbol(parser, name, len);
    uint32_t number = 0;

    if (!symbol || symbol->kind != SYMBOL_REGISTER || symbol->count) {
        size_t prefix = len;
        while (prefix && isdigit((unsigned char)name[prefix - 1]))
            prefix--;
        if (prefix == len || len - prefix > 9)
            return false;
        for (size_t i = prefix; i < len; i++)
            number = number * 10 + (uint32_t)(name[i] - '0');
        symbol = find_symbol(parser, name, prefix);
        if (!symbol || symbol->kind != SYMBOL_REGISTER || number >= symbol->count)
            return false;
    }
    if (symbol->slots[number] == NO_SLOT)
        symbol->slots[number] = new_slot(parser->function, lane_bytes(symbol->type));
    *slot = symbol->slots[number];
    *type = symbol->type;
    return true;
}

static const char *const special_names[SPECIAL_COUNT] = {
    [SPECIAL_TID_X] = "%tid.x",
    [SPECIAL_TID_Y] = "%tid.y",
    [SPECIAL_TID_Z] = "%tid.z",
    [SPECIAL_NTID_X] = "%ntid.x",
    [SPECIAL_NTID_Y] = "%ntid.y",
    [SPECIAL_NTID_Z] = "%ntid.z",
    [SPECIAL_CTAID_X] = "%ctaid.x",
    [SPECIAL_CTAID_Y] = "%ctaid.y",
    [SPECIAL_CTAID_Z] = "%ctaid.z",
    [SPECIAL_NCTAID_X] = "%nctaid.x",
    [SPECIAL_NCTAID_Y] = "%nctaid.y",
    [SPECIAL_NCTAID_Z] = "%nctaid.z",
    [SPECIAL_LANEID] = "%laneid",
    [SPECIAL_WARPID] = "%warpid",
    [SPECIAL_NWARPID] = "%nwarpid",
    [SPECIAL_SMID] = "%smid",
    [SPECIAL_NSMID] = "%nsmid",
    [SPECIAL_GRIDID] = "%gridid",
    [SPECIAL_LANEMASK_EQ] = "%lanemask_eq",
    [SPECIAL_LANEMASK_LT] = "%lanemask_lt",
    [SPECIAL_LANEMASK_LE] = "%lanemask_le",
    [SPECIAL_LANEMASK_GT] = "%lanemask_gt",
    [SPECIAL_LANEMASK_GE] = "%lanemask_ge",
    [SPECIAL_DYNAMIC_SMEM] = "%dynamic_smem_size",
    [SPECIAL_TOTAL_SMEM] = "%total_smem_size",
    [SPECIAL_ENVREG1] = "%envreg1",
    [SPECIAL_ENVREG2] = "%envreg2",
    [SPECIAL_CLOCK] = "%clock",
    [SPECIAL_CLOCK64] = "%clock64",
    [SPECIAL_GLOBALTIMER] = "%globaltimer",
};

static int find_special(const char *name, size_t len)
{
    for (int i = 0; i < SPECIAL_COUNT; i++)
        if (is(name, len, special_names[i]))
            return i;
    return -1;
}

/* The register that holds a special register's value while a block runs. */
static uint32_t special_slot(Parser *parser, int which)
{
    Function *function = parser->function;
    for (size_t i = 0; i < function->specials.count; i++)
        if (function->specials.items[i].which == which)
            return function->specials.items[i].slot;
    Special *special = PUSH(parser->module, function->specials);
    special->which = which;
    special->slot = new_slot(function, which == SPECIAL_GRIDID ? 8 : 4);
    return special->slot;
}

uint32_t constant_slot(Parser *parser, unsigned bytes, uint64_t value, const Symbol *symbol)
{
    Function *function = parser->function;
    if (bytes == 4)
        value &= 0xffffffffu;
    for (size_t i = 0; i < function->constants.count; i++) {
        const Constant *known = &function->constants.items[i];
        if (known->bytes == bytes && known->value == value && known->symbol == symbol)
            return known->slot;
    }
    if (symbol && symbol->space == SPACE_SHARED)
        function->shared_used[symbol->index] = true;
    Constant *constant = PUSH(parser->module, function->constants);
    *constant = (Constant){new_slot(function, bytes), (uint8_t)bytes, value, symbol};
    return constant->slot;
}

/* The operand as a register with lanes of `bytes` bytes. */
uint32_t operand_slot(Parser *parser, const Operand *operand, unsigned bytes)
{
    switch (operand->kind) {
    case OPERAND_REGISTER:
        if (lane_bytes(operand->type) != bytes)
            parse_error(parser, "an operand has a register of the wrong width");
        return operand->slot;
    case OPERAND_IMMEDIATE:
        if (bytes == 1)
            return constant_slot(parser, 1, operand->value ? ALL_LANES : 0, NULL);
        if (operand->is_float && bytes == 8) {
            float single;
            uint32_t bits = (uint32_t)operand->value;
            memcpy(&single, &bits, sizeof single);
            double real = (double)single;
            uint64_t wide;
            memcpy(&wide, &real, sizeof wide);
            return constant_slot(parser, 8, wide, NULL);
        }
        return constant_slot(parser, bytes, operand->value, NULL);
    case OPERAND_VARIABLE:
        return constant_slot(parser, bytes, operand->value, operand->symbol);
    case OPERAND_SPECIAL:
        if (bytes != (operand->special == SPECIAL_GRIDID ? 8 : 4))
            parse_error(parser, "a special register has another width");
        return special_slot(parser, operand->special);
    default:
        parse_error(parser, "a register or a constant expected");
    }
}

Function *find_function(Parser *parser, const char *name, size_t name_len)
{
    Symbol *symbol = find_symbol(parser, name, name_len);
    return symbol && symbol->kind == SYMBOL_FUNCTION ? symbol->function : NULL;
}

/* ---------------------------------------------------------------- operands */

static void read_operand(Parser *parser, Operand *operand);

static void read_items(Parser *parser, Operand *operand, OperandKind kind, char end)
{
    Operand items[32];
    uint32_t count = 0;
    operand->kind = kind;
    if (!accept(parser, end)) {
        do {
            if (count == sizeof items / sizeof *items)
                parse_error(parser, "too many operands in a list");
            read_operand(parser, &items[count++]);
        } while (accept(parser, ','));
        expect(parser, end);
    }
    operand->count = count;
    operand->items = module_alloc(parser->module, count * sizeof *items);
    memcpy(operand->items, items, count * sizeof *items);
}

/* A name: a register, a special register, a variable, a function or a label. */
static void read_named(Parser *parser, Operand *operand)
{
    const char *name;
    size_t len = read_name(parser, &name);

    if (!len)
        parse_error(parser, "an operand expected");
    if (is(name, len, "_")) {
        operand->kind = OPERAND_SINK;
        return;
    }
    if (find_register(parser, name, len, &operand->slot, &operand->type)) {
        operand->kind = OPERAND_REGISTER;
        return;
    }
    if (*name == '%') {
        if (*parser->at == '.') {
            parser->at++;
            while (is_name(*parser->at))
                parser->at++;
            len = (size_t)(parser->at - name);
        }
        operand->special = find_special(name, len);
        if (operand->special < 0)
            parse_error(parser, "unknown register '%.*s'", (int)len, name);
        operand->kind = OPERAND_SPECIAL;
        return;
    }
    if (is(name, len, "WARP_SZ")) {
        operand->kind = OPERAND_IMMEDIATE;
        operand->value = LANES;
        return;
    }
    const Symbol *symbol = find_symbol(parser, name, len);
    operand->name = name;
    operand->name_len = len;
    operand->kind = OPERAND_NAME;
    if (symbol && symbol->kind != SYMBOL_FUNCTION && symbol->kind != SYMBOL_REGISTER) {
        operand->kind = OPERAND_VARIABLE;
        operand->symbol = symbol;
    }
}

/* [base], [base+offset], [symbol+offset], [number]; behind the first bracket. */
static void read_address(Parser *parser, Operand *operand)
{
    skip_space(parser);
    operand->kind = OPERAND_ADDRESS;
    operand->slot = NO_SLOT;
    if (is_name_start(*parser->at)) {
        Operand base = {.slot = NO_SLOT, .pair = NO_SLOT};
        read_named(parser, &base);
        if (base.kind == OPERAND_REGISTER) {
            operand->slot = base.slot;
            operand->base_wide = lane_bytes(base.type) == 8;
            if (lane_bytes(base.type) == 1)
                parse_error(parser, "a predicate is no address");
        } else if (base.kind == OPERAND_VARIABLE) {
            operand->symbol = base.symbol;
        } else {
            parse_error(parser, "unknown name in an address");
        }
        skip_space(parser);
        if (*parser->at == '+' || *parser->at == '-') {
            bool plus = *parser->at == '+';
            if (plus)
                parser->at++;
            operand->value = read_integer(parser);
        }
    } else {
        operand->value = read_integer(parser);
    }
    expect(parser, ']');
}

static void read_operand(Parser *parser, Operand *operand)
{
    *operand = (Operand){.slot = NO_SLOT, .pair = NO_SLOT};
    skip_space(parser);
    char c = *parser->at;
    if (accept(parser, '[')) {
        read_address(parser, operand);
    } else if (accept(parser, '{')) {
        read_items(parser, operand, OPERAND_VECTOR, '}');
    } else if (accept(parser, '(')) {
        read_items(parser, operand, OPERAND_LIST, ')');
    } else if (accept(parser, '!')) {
        read_named(parser, operand);
        operand->negated = true;
    } else if (isdigit((unsigned char)c) || c == '-' || c == '+') {
        bool is_double;
        operand->kind = OPERAND_IMMEDIATE;
        operand->value = read_number(parser, &operand->is_float, &is_double);
    } else {
        read_named(parser, operand);
        if (operand->kind == OPERAND_VARIABLE) {
            skip_space(parser);
            if (*parser->at == '+' || *parser->at == '-') {
                if (*parser->at == '+')
                    parser->at++;
                operand->value = read_integer(parser);
            }
        }
    }
    if (accept(parser, '|')) {
        Operand second = {.slot = NO_SLOT};
        read_named(parser, &second);
        if (second.kind == OPERAND_REGISTER)
            operand->pair = second.slot;
        else if (second.kind != OPERAND_SINK)
            parse_error(parser, "a predicate expected behind '|'");
    }
}

/* ---------------------------------------------------------------- labels */

static void add_label(Parser *parser, const char *name, size_t len)
{
    Label *label = PUSH(parser->module, parser->labels);
    *label = (Label){.name = name,
                     .name_len = len,
                     .pc = (uint32_t)parser->function->code.count,
                     .scope = parser->scopes[parser->depth]};
}

static void add_reference(Parser *parser, const char *name, size_t len, uint32_t pc, uint32_t *fill)
{
    Reference *reference = PUSH(parser->module, parser->references);
    *reference = (Reference){name, len, pc, fill, parser->scopes[parser->depth], parser->line};
}

void branch_to(Parser *parser, const Operand *label)
{
    if (label->kind != OPERAND_NAME)
        parse_error(parser, "a label expected");
    add_reference(parser, label->name, label->name_len, (uint32_t)parser->function->code.count,
                  NULL);
}

static const Label *find_label(const Parser *parser, const char *name, size_t len, int scope)
{
    for (; scope >= 0; scope = parser->parents[scope])
        for (size_t i = parser->labels.count; i-- > 0;) {
            const Label *label = &parser->labels.items[i];
            if (label->scope == scope && label->name_len == len && !memcmp(label->name, name, len))
                return label;
        }
    return NULL;
}

/* NAME: .branchtargets A, B, C; */
static void read_branch_targets(Parser *parser)
{
    Label *table = &parser->labels.items[parser->labels.count - 1];
    table->targets = module_alloc(parser->module, 256 * sizeof *table->targets);
    do {
        const char *name;
        size_t len = read_name(parser, &name);
        if (!len || table->target_count == 255)
            parse_error(parser, "1 to 255 labels expected");
        add_reference(parser, name, len, 0, &table->targets[table->target_count++]);
    } while (accept(parser, ','));
    expect(parser, ';');
}

void switch_to(Parser *parser, const Operand *table, Inst *inst)
{
    const Label *label = NULL;
    if (table->kind == OPERAND_NAME)
        label = find_label(parser, table->name, table->name_len, parser->scopes[parser->depth]);
    if (!label || !label->targets)
        parse_error(parser, "a label with .branchtargets expected");
    inst->list = label->targets;
    inst->list_count = (uint8_t)label->target_count;
}

static void resolve_labels(Parser *parser)
{
    for (size_t i = 0; i < parser->references.count; i++) {
        Reference *reference = &parser->references.items[i];
        const Label *label =
            find_label(parser, reference->name, reference->name_len, reference->scope);
        if (!label) {
            parser->statement = reference->name;
            parser->statement_line = reference->line;
            parse_error(parser, "unknown label");
        }
        if (reference->fill)
            *reference->fill = label->pc;
        else
            parser->function->code.items[reference->pc].target = label->pc;
    }
    parser->labels.count = parser->references.count = 0;
}

/* ---------------------------------------------------------------- directives */

static void skip_directive(Parser *parser) /* to the end of the line */
{
    parser->at += strcspn(parser->at, "\n");
}

static void skip_statement(Parser *parser)
{
    while (*parser->at && *parser->at != ';') {
        parser->line += *parser->at == '\n';
        parser->at++;
    }
    expect(parser, ';');
}

/* .reg .b32 %r<10>, name; */
static void read_registers(Parser *parser)
{
    Type type = read_type(parser);
    if (type == TYPE_B128)
        parse_error(parser, "registers of 128 bits are not supported");
    do {
        const char *name;
        size_t len = read_name(parser, &name);
        if (!len)
            parse_error(parser, "the name of a register expected");
        Symbol *symbol = add_symbol(parser, SYMBOL_REGISTER, name, len);
        symbol->type = type;
        size_t slots = 1;
        if (accept(parser, '<')) {
            symbol->count = (uint32_t)read_integer(parser);
            slots = symbol->count ? symbol->count : 1;
            if (slots > 1u << 20)
                parse_error(parser, "too many registers");
            expect(parser, '>');
        }
        symbol->slots = module_alloc(parser->module, slots * sizeof *symbol->slots);
        memset(symbol->slots, 0xff, slots * sizeof *symbol->slots);
    } while (accept(parser, ','));
    expect(parser, ';');
}

static void put_element(unsigned char *at, unsigned bytes, uint64_t value)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t read_initial(Parser *parser)
{
    const char *name;
    bool is_float, is_double;

    skip_space(parser);
    if (!is_name_start(*parser->at))
        return read_number(parser, &is_float, &is_double);
    size_t len = read_name(parser, &name);
    bool generic = is(name, len, "generic") && accept(parser, '(');
    if (generic)
        len = read_name(parser, &name);
    const Symbol *symbol = find_symbol(parser, name, len);
    if (!symbol || symbol->kind != SYMBOL_VARIABLE || symbol->space != SPACE_GLOBAL)
        parse_error(parser, "an initial value is neither a number nor a global variable");
    if (generic)
        expect(parser, ')');
    return symbol->address + (accept(parser, '+') ? read_integer(parser) : 0);
}

/* The values of an initialiser, braces of dimensions left away. */
static void read_initialiser(Parser *parser, unsigned char *data, uint64_t bytes, unsigned element)
{
    uint64_t at = 0;
    int open = 0;
    do {
        while (accept(parser, '{'))
            open++;
        if (at + element > bytes)
            parse_error(parser, "too many initial values");
        put_element(data + at, element, read_initial(parser));
        at += element;
        while (open && accept(parser, '}'))
            open--;
    } while (open && accept(parser, ','));
    while (open-- > 0)
        expect(parser, '}');
}

static uint64_t read_dimensions(Parser *parser, bool *open)
{
    uint64_t elements = 1;
    *open = false;
    while (accept(parser, '[')) {
        if (accept(parser, ']')) {
            *open = true;
            continue;
        }
        uint64_t extent = read_integer(parser);
        if (extent && elements > (1ull << 40) / extent)
            parse_error(parser, "an array is too large");
        elements *= extent;
        expect(parser, ']');
    }
    return elements;
}

static void place_global(Parser *parser, Symbol *symbol, unsigned element, bool is_open)
{
    unsigned char *data = NULL;
    if (is_open)
        parse_error(parser, "an array without size");
    if (symbol->bytes) {
        data = module_alloc(parser->module, symbol->bytes);
        symbol->address = arena_alloc(symbol->bytes, symbol->align < 256 ? 256 : symbol->align);
        if (!symbol->address)
            parse_error(parser, "no memory for a global variable");
    }
    *PUSH(parser->module, parser->module->variables) = symbol;
    if (accept(parser, '='))
        read_initialiser(parser, data, symbol->bytes, element);
    if (symbol->bytes) {
        memcpy(arena_host(symbol->address), data, symbol->bytes);
        if (settings.check)
            shadow_mark_written(arena_cell(symbol->address), symbol->address & 3, symbol->bytes);
    }
}

static void place_local(Parser *parser, Symbol *symbol)
{
    Function *function = parser->function;
    if (!function)
        parse_error(parser, "a local variable outside of a function");
    uint64_t align = symbol->align ? symbol->align : 1;
    symbol->address = (function->local_bytes + align - 1) / align * align;
    function->local_bytes = symbol->address + symbol->bytes;
    if (function->local_bytes > 1u << 19)
        parse_error(parser, "a thread has more than 512 KB of local memory");
}

static void place_shared_variable(Parser *parser, Symbol *symbol)
{
    symbol->index = (int)parser->module->shared.count;
    *PUSH(parser->module, parser->module->shared) = symbol;
    if (parser->function && symbol->index >= 4096)
        parse_error(parser, "too many shared variables");
}

/* Behind .global, .const, .shared, .local or .param: [.align n] [.v2] .type NAME[n] [= ...] */
static Symbol *read_variable(Parser *parser, Space space, bool is_extern)
{
    const char *name;
    size_t len;
    unsigned vector = 1;
    uint64_t align = 0;

    for (;;) {
        const char *mark = parser->at;
        len = read_name(parser, &name);
        if (is(name, len, ".align")) {
            align = read_integer(parser);
        } else if (is(name, len, ".ptr") || is(name, len, ".global") || is(name, len, ".const") ||
                   is(name, len, ".shared") || is(name, len, ".local")) {
            continue;
        } else if (is(name, len, ".v2") || is(name, len, ".v4")) {
            vector = (unsigned)(name[2] - '0');
        } else if (is(name, len, ".attribute")) {
            parse_error(parser, "attributes of variables are not supported");
        } else {
            parser->at = mark;
            break;
        }
    }
    Type type = read_type(parser);
    for (;;) { /* attributes of a pointer parameter */
        const char *mark = parser->at;
        len = read_name(parser, &name);
        if (is(name, len, ".align")) {
            (void)read_integer(parser);
        } else if (!(is(name, len, ".ptr") || is(name, len, ".global") || is(name, len, ".const") ||
                     is(name, len, ".shared") || is(name, len, ".local"))) {
            parser->at = mark;
            break;
        }
    }
    len = read_name(parser, &name);
    if (!len)
        parse_error(parser, "a name expected");
    Symbol *symbol = add_symbol(parser, SYMBOL_VARIABLE, name, len);
    bool is_open;
    symbol->type = type;
    symbol->space = space;
    symbol->bytes = read_dimensions(parser, &is_open) * type_bytes(type) * vector;
    symbol->align = align ? align : type_bytes(type) * vector;
    if (symbol->align & (symbol->align - 1))
        parse_error(parser, "an alignment is no power of two");
    symbol->dynamic = space == SPACE_SHARED && is_open;
    if (is_open)
        symbol->bytes = 0;
    if (space == SPACE_GLOBAL) {
        if (is_extern)
            parse_error(parser, "variables of other modules are not supported");
        place_global(parser, symbol, type_bytes(type), is_open);
    } else if (space == SPACE_SHARED) {
        place_shared_variable(parser, symbol);
    } else if (space == SPACE_LOCAL) {
        place_local(parser, symbol);
    }
    return symbol;
}

static void read_variables(Parser *parser, Space space, bool is_extern)
{
    read_variable(parser, space, is_extern);
    if (accept(parser, ','))
        parse_error(parser, "one variable a declaration, please");
    expect(parser, ';');
}

/* ---------------------------------------------------------------- functions */

/* (.param .u64 a, .param .u32 b) */
static void read_formals(Parser *parser, bool results)
{
    Function *function = parser->function;
    expect(parser, '(');
    if (accept(parser, ')'))
        return;
    do {
        const char *name;
        size_t len = read_name(parser, &name);
        if (is(name, len, ".reg"))
            parse_error(parser, "parameters in registers are not supported");
        if (!is(name, len, ".param"))
            parse_error(parser, ".param expected");
        Symbol *symbol = read_variable(parser, function->entry ? SPACE_PARAM : SPACE_LOCAL, false);
        if (function->entry) {
            symbol->kind = SYMBOL_PARAM;
            uint64_t align = symbol->align;
            symbol->address = (function->param_bytes + align - 1) / align * align;
            function->param_bytes = symbol->address + symbol->bytes;
            if (function->param_bytes > 32764)
                parse_error(parser, "more than 32764 bytes of parameters");
        }
        if (results)
            *PUSH(parser->module, function->results) = symbol;
        else
            *PUSH(parser->module, function->formals) = symbol;
    } while (accept(parser, ','));
    expect(parser, ')');
}

static uint32_t read_product(Parser *parser)
{
    uint64_t product = 1;
    do
        product *= read_integer(parser);
    while (accept(parser, ','));
    return (uint32_t)product;
}

static void read_performance(Parser *parser)
{
    Function *function = parser->function;
    for (;;) {
        const char *name;
        const char *mark = parser->at;
        size_t len = read_name(parser, &name);
        if (is(name, len, ".maxntid"))
            function->max_threads = read_product(parser);
        else if (is(name, len, ".reqntid"))
            function->required_threads = read_product(parser);
        else if (is(name, len, ".maxnreg"))
            function->max_registers = (uint32_t)read_integer(parser);
        else if (is(name, len, ".minnctapersm") || is(name, len, ".maxnctapersm"))
            (void)read_integer(parser);
        else if (is(name, len, ".noreturn") || is(name, len, ".pragma"))
            skip_directive(parser);
        else {
            parser->at = mark;
            return;
        }
    }
}

static void read_statement(Parser *parser);

static void read_body(Parser *parser)
{
    Function *function = parser->function;
    function->defined = true;
    while (skip_space(parser), *parser->at != '}' || parser->depth > 1) {
        if (!*parser->at)
            parse_error(parser, "a function without end");
        if (accept(parser, '{'))
            open_scope(parser);
        else if (accept(parser, '}'))
            close_scope(parser);
        else
            read_statement(parser);
    }
    parser->at++;
    parser->statement = NULL;
    Statement end = {.guard = NO_SLOT, .part_count = 1, .parts = {"ret"}};
    parser->statement = "end of the function;";
    parser->statement_line = parser->line;
    decode_statement(parser, &end);
    parser->statement = NULL;
    resolve_labels(parser);
}

static Function *add_function(Parser *parser, const char *name, size_t len, bool entry)
{
    Function *function = find_function(parser, name, len);
    if (function && function->defined)
        parse_error(parser, "function '%.*s' is there twice", (int)len, name);
    if (!function) {
        int depth = parser->depth;
        function = module_alloc(parser->module, sizeof *function);
        parser->depth = 0;
        parser->function = function;
        add_symbol(parser, SYMBOL_FUNCTION, name, len);
        parser->depth = depth;
        function->index = (uint32_t)parser->module->functions.count;
        function->return_slot = new_slot(function, 4);
        *PUSH(parser->module, parser->module->functions) = function;
    }
    function->name = copy_name(parser, name, len);
    function->module = parser->module;
    function->entry = entry;
    function->formals.count = 0;
    function->results.count = 0;
    function->local_bytes = 0;
    function->shared_used = module_alloc(parser->module, 4096 * sizeof(bool));
    return function;
}

/* Behind .entry or .func */
static void read_function(Parser *parser, bool entry)
{
    const char *name;
    Function holder = {.module = parser->module};

    open_scope(parser);
    parser->function = &holder; /* the results come before the name */
    bool has_results = !entry && (skip_space(parser), *parser->at == '(');
    if (has_results)
        read_formals(parser, true);
    size_t len = read_name(parser, &name);
    if (!len)
        parse_error(parser, "the name of a function expected");
    Function *function = add_function(parser, name, len, entry);
    parser->function = function;
    function->results.items = holder.results.items;
    function->results.count = holder.results.count;
    function->results.room = holder.results.room;
    function->local_bytes = holder.local_bytes;
    for (size_t i = 0; i < function->results.count; i++)
        function->results.items[i]->function = function;
    skip_space(parser);
    if (*parser->at == '(')
        read_formals(parser, false);
    read_performance(parser);
    if (!accept(parser, ';')) {
        expect(parser, '{');
        read_body(parser);
    }
    close_scope(parser);
    parser->function = NULL;
}

/* ---------------------------------------------------------------- statements */

static bool read_space_directive(Parser *parser, const char *name, size_t len, bool is_extern)
{
    static const struct {
        const char *name;
        Space space;
    } spaces[] = {{".global", SPACE_GLOBAL},
                  {".const", SPACE_GLOBAL},
                  {".shared", SPACE_SHARED},
                  {".local", SPACE_LOCAL},
                  {".param", SPACE_LOCAL}}; /* arguments of a call */
    for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++)
        if (is(name, len, spaces[i].name)) {
            read_variables(parser, spaces[i].space, is_extern);
            return true;
        }
    return false;
}

static void read_opcode(Parser *parser, Statement *statement)
{
    const char *start = parser->at;
    while (isalnum((unsigned char)*parser->at) || *parser->at == '_' || *parser->at == '.' ||
           *parser->at == ':')
        parser->at++;
    size_t len = (size_t)(parser->at - start);
    char *copy = copy_name(parser, start, len);
    if (!len)
        parse_error(parser, "an instruction expected");
    for (char *part = copy; part;) {
        if (statement->part_count == (int)(sizeof statement->parts / sizeof *statement->parts))
            parse_error(parser, "an opcode with too many parts");
        statement->parts[statement->part_count++] = part;
        part = strchr(part, '.');
        if (part)
            *part++ = 0;
    }
}

static void read_instruction(Parser *parser)
{
    Statement statement = {.guard = NO_SLOT};
    if (accept(parser, '@')) {
        Operand guard = {.slot = NO_SLOT};
        statement.guard_not = accept(parser, '!');
        read_named(parser, &guard);
        if (guard.kind != OPERAND_REGISTER || guard.type != TYPE_PRED)
            parse_error(parser, "a predicate expected behind '@'");
        statement.guard = guard.slot;
        skip_space(parser);
    }
    read_opcode(parser, &statement);
    while (!accept(parser, ';')) {
        if (statement.operand_count == MAX_OPERANDS)
            parse_error(parser, "too many operands");
        read_operand(parser, &statement.operands[statement.operand_count++]);
        skip_space(parser);
        if (*parser->at != ';' && *parser->at != '(' && *parser->at != ')')
            expect(parser, ',');
    }
    decode_statement(parser, &statement);
}

static void read_statement(Parser *parser)
{
    const char *name;
    skip_space(parser);
    parser->statement = parser->at;
    parser->statement_line = parser->line;
    if (*parser->at == '.') {
        size_t len = read_name(parser, &name);
        if (is(name, len, ".reg"))
            read_registers(parser);
        else if (is(name, len, ".loc"))
            skip_directive(parser);
        else if (is(name, len, ".pragma"))
            skip_statement(parser);
        else if (is(name, len, ".branchtargets") && parser->labels.count)
            read_branch_targets(parser);
        else if (!read_space_directive(parser, name, len, false))
            parse_error(parser, "unknown directive");
        return;
    }
    if (*parser->at != '@') {
        const char *mark = parser->at;
        size_t len = read_name(parser, &name);
        if (len && accept(parser, ':') && *parser->at != ':') {
            add_label(parser, name, len);
            return;
        }
        parser->at = mark;
    }
    read_instruction(parser);
}

static void read_version(Parser *parser)
{
    uint64_t major = strtoull((skip_space(parser), parser->at), (char **)&parser->at, 10);
    expect(parser, '.');
    parser->module->version = (int)(major * 10 + read_integer(parser));
}

static void read_target(Parser *parser)
{
    const char *name;
    size_t len = read_name(parser, &name);
    if (len < 5 || memcmp(name, "sm_", 3))
        parse_error(parser, "a target sm_XX expected");
    parser->module->target = atoi(name + 3);
    parser->module->target_exact = isalpha((unsigned char)name[len - 1]);
    skip_directive(parser);
}

static void skip_section(Parser *parser) /* .section NAME { ... } */
{
    parser->at += strcspn(parser->at, "{");
    while (*parser->at && *parser->at != '}') {
        parser->line += *parser->at == '\n';
        parser->at++;
    }
    expect(parser, '}');
}

static void read_top(Parser *parser)
{
    const char *name;
    bool is_extern = false;

    parser->statement = parser->at;
    parser->statement_line = parser->line;
    for (;;) {
        size_t len = read_name(parser, &name);
        if (is(name, len, ".visible") || is(name, len, ".weak") || is(name, len, ".common"))
            continue;
        if (is(name, len, ".extern")) {
            is_extern = true;
            continue;
        }
        if (is(name, len, ".version"))
            read_version(parser);
        else if (is(name, len, ".target"))
            read_target(parser);
        else if (is(name, len, ".address_size")) {
            if (read_integer(parser) != 64)
                parse_error(parser, "addresses must have 64 bits");
        } else if (is(name, len, ".file") || is(name, len, ".loc"))
            skip_directive(parser);
        else if (is(name, len, ".pragma"))
            skip_statement(parser);
        else if (is(name, len, ".section"))
            skip_section(parser);
        else if (is(name, len, ".entry"))
            read_function(parser, true);
        else if (is(name, len, ".func"))
            read_function(parser, false);
        else if (!read_space_directive(parser, name, len, is_extern))
            parse_error(parser, "unknown directive");
        return;
    }
}

static bool parse_module(Parser *parser)
{
    if (setjmp(parser->fail))
        return false;
    skip_space(parser);
    if (strncmp(parser->at, ".version", 8))
        parse_error(parser, "PTX starts with .version");
    while (skip_space(parser), *parser->at)
        read_top(parser);
    if (!parser->module->target)
        parse_error(parser, "no .target");
    return true;
}

/* Parses, decodes and links PTX. NULL and a message if it cannot be run. */
Module *module_load(const char *text, char *message, size_t message_len)
{
    Module *module = calloc(1, sizeof *module);
    Parser *parser = calloc(1, sizeof *parser);
    if (!module || !parser)
        abort();
    module->text = module_alloc(module, strlen(text) + 1);
    strcpy(module->text, text);
    parser->module = module;
    parser->text = parser->at = module->text;
    parser->line = 1;
    parser->message = message;
    parser->message_len = message_len;
    parser->scopes[0] = -1;
    bool good = parse_module(parser);
    for (size_t i = 0; good && i < module->functions.count; i++)
        if (module->functions.items[i]->entry && module->functions.items[i]->defined)
            good = link_kernel(module, module->functions.items[i], message, message_len);
    free(parser->parents);
    free(parser);
    if (good)
        return module;
    module_free(module);
    return NULL;
}

/* Where the statement being decoded stands. */
Site parser_site(const Parser *parser)
{
    const char *start = parser->statement;
    if (start < parser->text || start > parser->at)
        return (Site){parser->statement_line, 0, 0};
    return (Site){parser->statement_line, (uint32_t)(start - parser->text),
                  (uint32_t)strcspn(start, ";\n")};
}
