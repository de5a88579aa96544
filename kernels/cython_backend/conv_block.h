/* One task of a convolution: some rows and pixels of one image and group, over all of k. Included once for each type. */

/* A tile whose pixels do not lie one behind the other in the output: through a buffer. */
static void NAME(conv_scatter_tile)(NAME(tile_fn) tile, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t depth, const REAL *a,
                                    const REAL *b, REAL *c, ptrdiff_t ldc, const ptrdiff_t *places, const REAL *bias, int flags)
{
    REAL buffer[TILE_ROWS * TILE_VECS * LANES];
    const ptrdiff_t width = TILE_VECS * LANES;
    if (flags & GEMM_ADD) {
        memset(buffer, 0, sizeof buffer);
        for (ptrdiff_t i = 0; i < rows; i++)
            for (ptrdiff_t j = 0; j < columns; j++) buffer[i * width + j] = c[i * ldc + places[j]];
    }
    tile(depth, a, 1, TILE_ROWS, b, width, buffer, width, bias, flags);
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t j = 0; j < columns; j++) c[i * ldc + places[j]] = buffer[i * width + j];
}

/* k is cut by its length alone, so that bits depend on nothing else. */
static inline ptrdiff_t NAME(conv_kc)(ptrdiff_t depth) { return gemm_round(gemm_ceil(depth, gemm_ceil(depth, CONV_KC)), 4); }

/* Rows [m0, m1), pixels [q0, q1). Loops from the outside: pixels in strips that fit L2, k, rows, panels of pixels,
 * tiles. Where all rows are one block a panel of pixels is used as soon as it is packed, and never again; but the panels of
 * a strip are packed together where patches are single pixels. */
static int NAME(conv_block)(const conv_problem *p, const fastnn_pool_api *pool, ptrdiff_t image, ptrdiff_t group,
                            ptrdiff_t m0, ptrdiff_t m1, ptrdiff_t q0, ptrdiff_t q1)
{
    const ptrdiff_t width = TILE_VECS * LANES, rows = m1 - m0, kc = NAME(conv_kc)(p->depth), ldc = p->out_plane;
    const ptrdiff_t mc = gemm_round(gemm_ceil(rows, gemm_ceil(rows, CONV_MC)), TILE_ROWS);
    const int one_block = rows <= mc, at_once = one_block && !p->pointwise;
    const ptrdiff_t strip = at_once ? q1 - q0 : gemm_min(gemm_round(q1 - q0, width), (one_block ? 8 : 16) * width);
    const ptrdiff_t stride = NAME(panel_stride)(kc), entries = NAME(conv_run_entries)(p);
    const size_t a_bytes = conv_bytes(mc / TILE_ROWS * stride * sizeof(REAL));
    const size_t b_bytes = conv_bytes((at_once ? width : strip) * kc * sizeof(REAL) + CONV_SLACK);
    const size_t run_bytes = conv_bytes(width * (sizeof(NAME(conv_run)) + entries * sizeof(ptrdiff_t)));
    char *memory = pool->scratch(a_bytes + b_bytes + run_bytes + p->taps * sizeof(ptrdiff_t));
    if (!memory) return -1;
    REAL *a_pack = (REAL *)memory, *b_pack = (REAL *)(memory + a_bytes);
    NAME(conv_run) *runs = (NAME(conv_run) *)(memory + a_bytes + b_bytes);
    ptrdiff_t *tables = (ptrdiff_t *)(runs + width), *taps = (ptrdiff_t *)(memory + a_bytes + b_bytes + run_bytes);
    conv_tap_places(p, taps);

    const REAL *x = (const REAL *)p->x + (image * p->groups + group) * p->channels * p->plane;
    const REAL *end = (const REAL *)p->x + p->images * p->groups * p->channels * p->plane;
    const REAL *w = (const REAL *)p->w + group * p->w_group;
    const REAL *bias = p->bias ? (const REAL *)p->bias + group * p->rows : NULL;
    REAL *c = (REAL *)p->out + (image * p->groups + group) * p->rows * ldc;
    for (ptrdiff_t jc = q0; jc < q1; jc += strip) {
        const ptrdiff_t jend = gemm_min(jc + strip, q1);
        for (ptrdiff_t k = 0; k < p->depth; k += kc) {
            const ptrdiff_t depth = gemm_min(kc, p->depth - k);
            const int last = k + depth >= p->depth;
            const int flags = (k ? GEMM_ADD : 0) | (last ? p->flags & (GEMM_ROW_BIAS | GEMM_RELU) : 0);
            for (ptrdiff_t ic = m0; ic < m1; ic += mc) {
                const ptrdiff_t iend = gemm_min(ic + mc, m1);
                REAL *a_panel = a_pack;
                for (ptrdiff_t i = ic, height; i < iend; i += height, a_panel += stride) {
                    height = gemm_height(iend - i);
                    NAME(conv_pack_weight)(p, a_panel, w + i * p->w_row, taps, height, k, depth);
                }
                if (ic == m0 && p->pointwise) NAME(conv_pack_planes)(p, b_pack, kc, x + k * p->plane + jc, jend - jc, depth);
                for (ptrdiff_t j = jc; j < jend; j += width) {
                    const ptrdiff_t taken = gemm_min(width, jend - j);
                    REAL *panel = b_pack + (at_once ? 0 : (j - jc) * kc);
                    ptrdiff_t places[TILE_VECS * LANES], at[3];
                    if (ic == m0 && !p->pointwise) {
                        const int count = NAME(conv_runs)(p, j, taken, runs, tables, 0);
                        NAME(conv_pack)(p, panel, x, end, runs, count, taken, k, depth);
                    }
                    if (p->strided_out)
                        for (ptrdiff_t q = 0; q < taken; q++) {
                            conv_place(p, j + q, at);
                            places[q] = conv_out_place(p, at);
                        }
                    const int vecs = taken <= LANES ? 1 : TILE_VECS;
                    a_panel = a_pack;
                    for (ptrdiff_t i = ic, height; i < iend; i += height, a_panel += stride) {
                        height = gemm_height(iend - i);
                        NAME(tile_fn) tile = NAME(tiles)[height - 1][vecs - 1];
                        const REAL *add = bias ? bias + i : NULL;
                        if (p->strided_out)
                            NAME(conv_scatter_tile)(tile, height, taken, depth, a_panel, panel, c + i * ldc, ldc, places, add, flags);
                        else if (taken < vecs * LANES)
                            NAME(edge_tile)(tile, height, taken, depth, a_panel, 1, TILE_ROWS, panel, width, c + i * ldc + j, ldc, add, flags);
                        else tile(depth, a_panel, 1, TILE_ROWS, panel, width, c + i * ldc + j, ldc, add, flags);
                    }
                }
            }
        }
    }
    return 0;
}

/* An output of which nothing is read: bias alone. */
static void NAME(conv_fill)(const conv_problem *p, ptrdiff_t plane)
{
    REAL value = p->bias ? ((const REAL *)p->bias)[plane % (p->groups * p->rows)] : 0;
    if (p->flags & GEMM_RELU && value <= 0) value = 0;
    REAL *c = (REAL *)p->out + plane * p->out_plane;
    for (ptrdiff_t q = 0; q < p->out_plane; q++) c[q] = value;
}
