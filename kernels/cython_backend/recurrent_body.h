/* Packed weights, one step, and all steps of a slice of the batch. Included once for each type.
 *
 * A packed weight is panels, one behind the other, each of a tile's width and the whole depth.
 */

/* Panel `index` of all that this job packs: forward weight_hh gate by gate, (k, unit) from rows of units; backward
 * weight_hh, (k, column) from rows of k. Behind them those of weight_hr, the other way round. */
static void NAME(pack_task)(void *context, ptrdiff_t index)
{
    const recurrent_job *p = context;
    const ptrdiff_t wide = TILE_VECS * LANES, units = gemm_ceil(p->hidden, wide), columns = gemm_ceil(p->width, wide);
    const ptrdiff_t own = p->backward ? columns : p->gate_count * units;
    const REAL *w = p->weight_hh, *r = p->weight_hr;
    if (index < own && p->backward) {
        const ptrdiff_t depth = p->gate_count * p->hidden, first = index * wide;
        NAME(pack_b)((REAL *)p->packed_hh + first * depth, w + first, p->width, 0, gemm_min(wide, p->width - first), depth);
    } else if (index < own) {
        const ptrdiff_t first = index % units * wide, row = index / units * p->hidden + first;
        NAME(pack_b)((REAL *)p->packed_hh + index * wide * p->width, w + row * p->width, p->width, 1,
                     gemm_min(wide, p->hidden - first), p->width);
    } else if (p->backward) {
        const ptrdiff_t first = (index - own) * wide;
        NAME(pack_b)((REAL *)p->packed_hr + first * p->width, r + first, p->hidden, 0, gemm_min(wide, p->hidden - first),
                     p->width);
    } else {
        const ptrdiff_t first = (index - own) * wide;
        NAME(pack_b)((REAL *)p->packed_hr + first * p->hidden, r + first * p->hidden, p->hidden, 1,
                     gemm_min(wide, p->width - first), p->hidden);
    }
}

/* Asks for the lines of count numbers before they are needed: the rows of a step lie too far apart for the processor to
 * guess. Without it a tile's epilogue waited for memory: 34 against 27 ms at 100 steps of 32 x 256. */
static inline void NAME(fetch)(const REAL *p, ptrdiff_t count)
{
    for (ptrdiff_t j = 0; j < count; j += 64 / (ptrdiff_t)sizeof(REAL)) __builtin_prefetch(p + j);
    __builtin_prefetch(p + count - 1);
}

/* c = a @ panel + (c, bias), for one panel's columns and k in [first, first + depth). */
static void NAME(panel_product)(const REAL *panel, ptrdiff_t depth, const REAL *a, ptrdiff_t lda, ptrdiff_t rows, REAL *c,
                                ptrdiff_t ldc, ptrdiff_t columns, const REAL *bias, int flags)
{
    const int vecs = columns > LANES ? TILE_VECS : 1;
    for (ptrdiff_t i = 0, height; i < rows; i += height) {
        height = gemm_height(rows - i);
        for (ptrdiff_t r = i; r < i + height; r++) NAME(fetch)(c + r * ldc, columns);
        NAME(tile_fn) tile = NAME(tiles)[height - 1][vecs - 1];
        if (columns < vecs * LANES)
            NAME(edge_tile)(tile, height, columns, depth, a + i * lda, lda, 1, panel, TILE_VECS * LANES, c + i * ldc, ldc,
                            bias, flags);
        else tile(depth, a + i * lda, lda, 1, panel, TILE_VECS * LANES, c + i * ldc, ldc, bias, flags);
    }
}

static inline ptrdiff_t NAME(depth_block)(ptrdiff_t depth)
{
    return depth ? gemm_round(gemm_ceil(depth, gemm_ceil(depth, GEMM_KC)), 4) : 1;
}

/* c[:, first:end] = a @ packed + (c), k by blocks; first is a multiple of a panel's width. */
static void NAME(packed_product)(const REAL *packed, ptrdiff_t depth, const REAL *a, ptrdiff_t lda, ptrdiff_t rows, REAL *c,
                                 ptrdiff_t ldc, ptrdiff_t first, ptrdiff_t end, int add)
{
    const ptrdiff_t wide = TILE_VECS * LANES, block = NAME(depth_block)(depth);
    ptrdiff_t k = 0;
    do {
        const ptrdiff_t part = gemm_min(block, depth - k);
        for (ptrdiff_t j = first; j < end; j += wide)
            NAME(panel_product)(packed + j * depth + k * wide, part, a + k, lda, rows, c + j, ldc, gemm_min(wide, end - j), NULL,
                                add || k ? GEMM_ADD : 0);
        k += part;
    } while (k < depth);
}

/* The same with weight as it lies, (depth, ld), for at most 3 rows of a: wide tiles, and the last columns, too few for
 * a vector, from the packed panel `edge`. */
static void NAME(unpacked_product)(const REAL *weight, ptrdiff_t ld, const REAL *edge, ptrdiff_t depth, const REAL *a,
                                   ptrdiff_t lda, ptrdiff_t rows, REAL *c, ptrdiff_t ldc, ptrdiff_t first, ptrdiff_t end,
                                   int add)
{
    const ptrdiff_t block = NAME(depth_block)(depth);
    int wide;
    NAME(tile_fn) wide_tile = NAME(wide_tile)(rows, &wide);
    ptrdiff_t k = 0;
    do {
        const ptrdiff_t part = gemm_min(block, depth - k);
        const int flags = add || k ? GEMM_ADD : 0;
        for (ptrdiff_t j = first, taken; j < end; j += taken) {
            const ptrdiff_t left = end - j;
            const int vecs = left >= wide * LANES ? wide : left >= TILE_VECS * LANES ? TILE_VECS : 1;
            NAME(tile_fn) tile = vecs == wide ? wide_tile : NAME(tiles)[rows - 1][vecs - 1];
            taken = gemm_min(left, vecs * LANES);
            if (left < LANES)
                NAME(edge_tile)(tile, rows, left, part, a + k, lda, 1, edge + k * TILE_VECS * LANES, TILE_VECS * LANES, c + j,
                                ldc, NULL, flags);
            else tile(part, a + k, lda, 1, weight + k * ld + j, ld, c + j, ldc, NULL, flags);
        }
        k += part;
    } while (k < depth);
}

/* One step's product and gates for rows [r0, r0 + n) and hidden units [first, end) (a multiple of a panel's width). */
static void NAME(step_forward)(const recurrent_job *p, ptrdiff_t r0, ptrdiff_t n, ptrdiff_t first, ptrdiff_t end)
{
    const ptrdiff_t h = p->hidden, width = p->width, wide = TILE_VECS * LANES, count = p->gate_count;
    const ptrdiff_t row = p->base + r0 * p->row_step, ldg = p->row_step * count * h, ldh = p->row_step * h;
    const ptrdiff_t block = p->dots ? end - first : wide, units = gemm_ceil(h, wide), deep = NAME(depth_block)(width);
    REAL *gates = (REAL *)p->gates + row * count * h, *aside = p->aside ? (REAL *)p->aside + row * h : NULL;
    REAL *out = (REAL *)(p->raw ? p->raw : p->out) + row * h;
    const REAL *state = (const REAL *)p->hn + r0 * width, *bias = p->bias_hn;
    REAL *cell = p->cn ? (REAL *)p->cn + r0 * h : NULL;
    for (ptrdiff_t u = first; u < end; u += block) {
        const ptrdiff_t taken = gemm_min(block, end - u);
        for (ptrdiff_t g = 0; g < count; g++) {
            const int apart = p->mode == CELL_GRU && g == 2; /* r * (this) comes first */
            REAL *c = apart ? aside + u : gates + g * h + u;
            const ptrdiff_t ldc = apart ? ldh : ldg;
            const int start = apart ? (bias ? GEMM_BIAS : 0) : GEMM_ADD;
            if (p->dots) {
                const NAME(dot_target) target = {c, apart && bias ? bias + u : NULL, ldc, 1, 0, 1, start};
                NAME(dot_block)(&target, width, state, (const REAL *)p->weight_hh + (g * h + u) * width, n, 0, taken);
                continue;
            }
            const REAL *panel = (const REAL *)p->packed_hh + (g * units + u / wide) * wide * width;
            ptrdiff_t k = 0;
            do {
                const ptrdiff_t part = gemm_min(deep, width - k);
                NAME(panel_product)(panel + k * wide, part, state + k, width, n, c, ldc, taken,
                                    apart && bias ? bias + u : NULL, k ? GEMM_ADD : start);
                k += part;
            } while (k < width);
        }
        for (ptrdiff_t i = 0; i < n; i++) {
            if (p->mode == CELL_LSTM) NAME(lstm_gates)(gates + i * ldg + u, h, taken);
            else if (p->mode == CELL_GRU) NAME(gru_gates)(gates + i * ldg + u, h, taken);
        }
        for (ptrdiff_t i = 0; i < n; i++) {
            REAL *at = gates + i * ldg + u;
            if (p->mode == CELL_LSTM)
                NAME(lstm_cell)(at, h, cell + i * h + u, cell + i * h + u, aside + i * ldh + u, out + i * ldh + u, taken);
            else if (p->mode == CELL_GRU)
                NAME(gru_cell)(at, h, aside + i * ldh + u, state + i * h + u, out + i * ldh + u, taken);
            else NAME(rnn_row)(at, p->mode == CELL_RELU, taken);
        }
    }
}

/* What follows when all units of a step are done: the projection, and the states for the next step. */
static void NAME(finish_forward)(const recurrent_job *p, ptrdiff_t r0, ptrdiff_t n)
{
    const ptrdiff_t row = p->base + r0 * p->row_step, h = p->hidden, width = p->width;
    REAL *out = (REAL *)p->out + row * width, *state = (REAL *)p->hn + r0 * width;
    if (p->weight_hr)
        NAME(packed_product)(p->packed_hr, h, (const REAL *)p->raw + row * h, p->row_step * h, n, out, p->row_step * width, 0,
                             width, 0);
    for (ptrdiff_t i = 0; i < n; i++) memcpy(state + i * width, out + i * p->row_step * width, width * sizeof(REAL));
}

/* The gates' gradients of one step. `earlier` is the first row of the step before it in time, which has `before` rows. */
static void NAME(step_backward)(const recurrent_job *p, ptrdiff_t r0, ptrdiff_t n, ptrdiff_t first, ptrdiff_t end)
{
    const ptrdiff_t h = p->hidden, width = p->width, count = p->gate_count, taken = end - first;
    for (ptrdiff_t b = r0; b < r0 + n; b++) {
        const ptrdiff_t row = p->base + b * p->row_step, then = p->earlier + b * p->row_step;
        const REAL *gates = (const REAL *)p->gates + row * count * h + first;
        if (b + 1 < r0 + n) {
            for (ptrdiff_t g = 0; g < count; g++) NAME(fetch)(gates + p->row_step * count * h + g * h, taken);
            if (p->aside) NAME(fetch)((const REAL *)p->aside + (row + p->row_step) * h + first, taken);
            if (p->grad_out && first < width)
                NAME(fetch)((const REAL *)p->grad_out + (row + p->row_step) * width + first, gemm_min(taken, width - first));
        }
        const REAL *more = p->grad_out ? (const REAL *)p->grad_out + row * width + first : NULL;
        const REAL *states = p->mode == CELL_LSTM ? p->aside : p->out; /* of which the gates took those before */
        const REAL *previous = b < p->before ? states + then * h + first
                               : p->initial  ? (const REAL *)p->initial + b * h + first
                                             : NULL;
        REAL *to = (REAL *)p->grad_gates + row * count * h + first, *dh = (REAL *)p->hn + b * width + first;
        if (p->mode == CELL_LSTM) {
            const REAL *cell = (const REAL *)p->aside + row * h + first, *grad = dh;
            REAL *dc = (REAL *)p->cn + b * h + first;
            if (p->weight_hr) grad = to + 3 * h, more = NULL; /* left there by project_backward */
            NAME(lstm_row_backward)(grad, more, dc, gates, h, previous, cell, to, dc, taken);
        } else if (p->mode == CELL_GRU) {
            NAME(gru_row_backward)(dh, more, gates, h, (const REAL *)p->aside + row * h + first, previous, to,
                                   (REAL *)p->grad_aside + row * count * h + first, dh, taken);
        } else NAME(rnn_row_backward)(dh, more, gates, p->mode == CELL_RELU, to, taken);
    }
}

/* Through the projection: the output's gradient to grad_state, that of o * tanh(c) to o's place in grad_gates. */
static void NAME(project_backward)(const recurrent_job *p, ptrdiff_t r0, ptrdiff_t n)
{
    const ptrdiff_t h = p->hidden, width = p->width, row = p->base + r0 * p->row_step;
    REAL *state = (REAL *)p->grad_state + row * width;
    for (ptrdiff_t i = 0; i < n; i++) {
        const REAL *dh = (const REAL *)p->hn + (r0 + i) * width;
        const REAL *more = p->grad_out ? (const REAL *)p->grad_out + (row + i * p->row_step) * width : NULL;
        REAL *to = state + i * p->row_step * width;
        for (ptrdiff_t j = 0; j < width; j++) to[j] = more ? dh[j] + more[j] : dh[j];
    }
    NAME(packed_product)(p->packed_hr, width, state, p->row_step * width, n, (REAL *)p->grad_gates + row * 4 * h + 3 * h,
                         p->row_step * 4 * h, 0, h, 0);
}

/* The gradient of the states before a step: columns [first, end) of the gates' gradients @ weight_hh. */
static void NAME(product_backward)(const recurrent_job *p, ptrdiff_t r0, ptrdiff_t n, ptrdiff_t first, ptrdiff_t end)
{
    const ptrdiff_t deep = p->gate_count * p->hidden, row = p->base + r0 * p->row_step;
    const REAL *a = (const REAL *)(p->mode == CELL_GRU ? p->grad_aside : p->grad_gates) + row * deep;
    REAL *dh = (REAL *)p->hn + r0 * p->width;
    const int add = p->mode == CELL_GRU; /* z * dh is there already */
    if (p->dots)
        NAME(unpacked_product)(p->weight_hh, p->width, p->packed_hh, deep, a, p->row_step * deep, n, dh, p->width, first, end,
                               add);
    else NAME(packed_product)(p->packed_hh, deep, a, p->row_step * deep, n, dh, p->width, first, end, add);
}

/* One step of rows [r0, r0 + n), all of it. */
static void NAME(whole_step)(const recurrent_job *p, ptrdiff_t r0, ptrdiff_t n)
{
    if (!p->backward) {
        NAME(step_forward)(p, r0, n, 0, p->hidden);
        NAME(finish_forward)(p, r0, n);
    } else {
        if (p->weight_hr) NAME(project_backward)(p, r0, n);
        NAME(step_backward)(p, r0, n, 0, p->hidden);
        NAME(product_backward)(p, r0, n, 0, p->width);
    }
}

/* A chunk of one step, where threads share it: phase 0 the gates, phase 1 backward's product. */
static void NAME(chunk_task)(void *context, ptrdiff_t index)
{
    const recurrent_job *p = context;
    const ptrdiff_t first = index * p->chunk;
    if (p->phase) NAME(product_backward)(p, 0, p->active, first, gemm_min(first + p->chunk, p->width));
    else if (p->backward) NAME(step_backward)(p, 0, p->active, first, gemm_min(first + p->chunk, p->hidden));
    else NAME(step_forward)(p, 0, p->active, first, gemm_min(first + p->chunk, p->hidden));
}
