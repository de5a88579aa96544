/* The gates' arithmetic for `count` hidden units of one row. Included once for each type.
 *
 * Gate g's numbers are at gates[g * hidden]. Pointers are to the first of the units. A missing array is zero.
 */

static inline VEC NAME(cell_load)(const REAL *p, ptrdiff_t j, ptrdiff_t left)
{
    if (!p) return (VEC){0};
    return left >= LANES ? NAME(load)(p + j) : NAME(load_part)(p + j, left, 0);
}

static inline void NAME(cell_store)(REAL *p, ptrdiff_t j, VEC v, ptrdiff_t left)
{
    if (left >= LANES) NAME(store)(p + j, v);
    else NAME(store_part)(p + j, v, left);
}

/* Calls body(j, left) for each vector; the bodies of full vectors know that they are. */
#define EACH_VECTOR(body)                                                   \
    do {                                                                    \
        ptrdiff_t at = 0;                                                   \
        for (; at + LANES <= count; at += LANES) body(at, LANES);           \
        if (at < count) body(at, count - at);                               \
    } while (0)

/* Two passes, each over all rows at hand: the chain of operations of a cell behind those of its gates would be too long
 * for the processor to find other work meanwhile. */
static inline void NAME(lstm_gates)(REAL *gates, ptrdiff_t hidden, ptrdiff_t count)
{
    for (int g = 0; g < 4; g++, gates += hidden) {
#define SIGMOID(j, left) NAME(cell_store)(gates, j, NAME(vsigmoid)(NAME(cell_load)(gates, j, left)), left)
#define TANH(j, left) NAME(cell_store)(gates, j, NAME(vtanh)(NAME(cell_load)(gates, j, left)), left)
        if (g == 2) EACH_VECTOR(TANH);
        else EACH_VECTOR(SIGMOID);
#undef SIGMOID
#undef TANH
    }
}

/* cell and copy (NULL: none) get the new cell. */
static inline void NAME(lstm_cell)(const REAL *gates, ptrdiff_t hidden, const REAL *previous, REAL *cell, REAL *copy,
                                   REAL *out, ptrdiff_t count)
{
#define BODY(j, left)                                                                                                  \
    do {                                                                                                               \
        VEC c = NAME(cell_load)(gates, j, left) * NAME(cell_load)(gates + 2 * hidden, j, left);                        \
        if (previous) c += NAME(cell_load)(gates + hidden, j, left) * NAME(cell_load)(previous, j, left);              \
        NAME(cell_store)(cell, j, c, left);                                                                            \
        if (copy) NAME(cell_store)(copy, j, c, left);                                                                  \
        NAME(cell_store)(out, j, NAME(cell_load)(gates + 3 * hidden, j, left) * NAME(vtanh)(c), left);                 \
    } while (0)
    EACH_VECTOR(BODY);
#undef BODY
}

/* grad_hidden + more is the output's gradient; grad_cell that of the cell behind, and grad_previous of the one before. */
static inline void NAME(lstm_row_backward)(const REAL *grad_hidden, const REAL *more, const REAL *grad_cell,
                                           const REAL *gates, ptrdiff_t hidden, const REAL *previous, const REAL *cell,
                                           REAL *grad_gates, REAL *grad_previous, ptrdiff_t count)
{
#define BODY(j, left)                                                                                     \
    do {                                                                                                  \
        VEC dh = NAME(cell_load)(grad_hidden, j, left), dc = NAME(cell_load)(grad_cell, j, left);         \
        if (more) dh += NAME(cell_load)(more, j, left);                                                   \
        VEC i = NAME(cell_load)(gates, j, left), f = NAME(cell_load)(gates + hidden, j, left);            \
        VEC g = NAME(cell_load)(gates + 2 * hidden, j, left), o = NAME(cell_load)(gates + 3 * hidden, j, left); \
        VEC t = NAME(vtanh)(NAME(cell_load)(cell, j, left));                                              \
        dc += dh * o * ((REAL)1 - t * t);                                                                 \
        VEC df = dc * NAME(cell_load)(previous, j, left);                                                 \
        NAME(cell_store)(grad_gates, j, dc * g * (i * ((REAL)1 - i)), left);                              \
        NAME(cell_store)(grad_gates + hidden, j, df * (f * ((REAL)1 - f)), left);                         \
        NAME(cell_store)(grad_gates + 2 * hidden, j, dc * i * ((REAL)1 - g * g), left);                   \
        NAME(cell_store)(grad_gates + 3 * hidden, j, dh * t * (o * ((REAL)1 - o)), left);                 \
        NAME(cell_store)(grad_previous, j, dc * f, left);                                                 \
    } while (0)
    EACH_VECTOR(BODY);
#undef BODY
}

static inline void NAME(gru_gates)(REAL *gates, ptrdiff_t hidden, ptrdiff_t count)
{
    for (int g = 0; g < 2; g++, gates += hidden) {
#define SIGMOID(j, left) NAME(cell_store)(gates, j, NAME(vsigmoid)(NAME(cell_load)(gates, j, left)), left)
        EACH_VECTOR(SIGMOID);
#undef SIGMOID
    }
}

static inline void NAME(gru_cell)(REAL *gates, ptrdiff_t hidden, const REAL *inner, const REAL *previous, REAL *out,
                                  ptrdiff_t count)
{
#define BODY(j, left)                                                                                     \
    do {                                                                                                  \
        VEC r = NAME(cell_load)(gates, j, left), z = NAME(cell_load)(gates + hidden, j, left);            \
        VEC n = NAME(vtanh)(NAME(cell_load)(gates + 2 * hidden, j, left) + r * NAME(cell_load)(inner, j, left)); \
        NAME(cell_store)(gates + 2 * hidden, j, n, left);                                                 \
        VEC h = ((REAL)1 - z) * n;                                                                        \
        if (previous) h += z * NAME(cell_load)(previous, j, left);                                        \
        NAME(cell_store)(out, j, h, left);                                                                \
    } while (0)
    EACH_VECTOR(BODY);
#undef BODY
}

static inline void NAME(gru_row_backward)(const REAL *grad_hidden, const REAL *more, const REAL *gates, ptrdiff_t hidden,
                                          const REAL *inner, const REAL *previous, REAL *grad_gates, REAL *grad_inner,
                                          REAL *grad_previous, ptrdiff_t count)
{
#define BODY(j, left)                                                                                     \
    do {                                                                                                  \
        VEC dh = NAME(cell_load)(grad_hidden, j, left);                                                   \
        if (more) dh += NAME(cell_load)(more, j, left);                                                   \
        VEC r = NAME(cell_load)(gates, j, left), z = NAME(cell_load)(gates + hidden, j, left);            \
        VEC n = NAME(cell_load)(gates + 2 * hidden, j, left);                                             \
        VEC dn = dh * ((REAL)1 - z) * ((REAL)1 - n * n);                                                  \
        VEC dz = dh * (NAME(cell_load)(previous, j, left) - n) * (z * ((REAL)1 - z));                     \
        VEC dr = dn * NAME(cell_load)(inner, j, left) * (r * ((REAL)1 - r));                              \
        NAME(cell_store)(grad_gates, j, dr, left);                                                        \
        NAME(cell_store)(grad_inner, j, dr, left);                                                        \
        NAME(cell_store)(grad_gates + hidden, j, dz, left);                                               \
        NAME(cell_store)(grad_inner + hidden, j, dz, left);                                               \
        NAME(cell_store)(grad_gates + 2 * hidden, j, dn, left);                                           \
        NAME(cell_store)(grad_inner + 2 * hidden, j, dn * r, left);                                       \
        NAME(cell_store)(grad_previous, j, dh * z, left);                                                 \
    } while (0)
    EACH_VECTOR(BODY);
#undef BODY
}

static inline void NAME(rnn_row)(REAL *out, int relu, ptrdiff_t count)
{
#define BODY(j, left)                                                                                     \
    do {                                                                                                  \
        VEC x = NAME(cell_load)(out, j, left);                                                            \
        NAME(cell_store)(out, j, relu ? NAME(relu)(x) : NAME(vtanh)(x), left);                            \
    } while (0)
    EACH_VECTOR(BODY);
#undef BODY
}

static inline void NAME(rnn_row_backward)(const REAL *grad_hidden, const REAL *more, const REAL *out, int relu,
                                          REAL *grad_gates, ptrdiff_t count)
{
#define BODY(j, left)                                                                                     \
    do {                                                                                                  \
        VEC dh = NAME(cell_load)(grad_hidden, j, left), y = NAME(cell_load)(out, j, left);                \
        if (more) dh += NAME(cell_load)(more, j, left);                                                   \
        dh = relu ? (VEC)((IVEC)dh & ~(y <= (REAL)0)) : dh * ((REAL)1 - y * y);                           \
        NAME(cell_store)(grad_gates, j, dh, left);                                                        \
    } while (0)
    EACH_VECTOR(BODY);
#undef BODY
}

#undef EACH_VECTOR

/* A chunk of rows of a cell alone. */
static void NAME(cell_task)(void *context, ptrdiff_t index)
{
    const cell_job *p = context;
    const ptrdiff_t h = p->hidden, wide = h * (p->mode == CELL_LSTM ? 4 : 3);
    const ptrdiff_t end = gemm_min((index + 1) * p->chunk, p->rows);
#define ROW(array, columns) ((array) ? (REAL *)(array) + m * (columns) : NULL)
    for (ptrdiff_t m = index * p->chunk; m < end; m++) {
        REAL *gates = ROW(p->gates, wide), *grad_gates = ROW(p->grad_gates, wide), *cell = ROW(p->cell, h);
        const REAL *inner = ROW(p->inner, h), *previous = ROW(p->previous, h), *grad_hidden = ROW(p->grad_hidden, h);
        if (p->mode == CELL_LSTM && !p->backward) {
            NAME(lstm_gates)(gates, h, h);
            NAME(lstm_cell)(gates, h, previous, cell, NULL, ROW(p->hidden_out, h), h);
        } else if (p->mode == CELL_LSTM)
            NAME(lstm_row_backward)(grad_hidden, NULL, ROW(p->grad_cell, h), gates, h, previous, cell, grad_gates,
                                    ROW(p->grad_previous, h), h);
        else if (!p->backward) {
            NAME(gru_gates)(gates, h, h);
            NAME(gru_cell)(gates, h, inner, previous, ROW(p->hidden_out, h), h);
        } else
            NAME(gru_row_backward)(grad_hidden, NULL, gates, h, inner, previous, grad_gates, ROW(p->grad_inner, wide),
                                   ROW(p->grad_previous, h), h);
    }
#undef ROW
}
