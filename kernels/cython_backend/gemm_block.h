/* One task of a product: a block of C, over all of k. Included once for each type. */

static void NAME(activate)(REAL *c, ptrdiff_t count, int flags)
{
    if (flags & GEMM_SIGMOID) NAME(vec_sigmoid)(c, c, count);
    else NAME(vec_tanh)(c, c, count);
}

/* The dot-product way: few rows of A (GEMM_DOT_ROWS) against many of B, or few columns of B against many rows of A. */
static int NAME(gemm_dots)(const gemm_problem *p, const fastnn_pool_api *pool, const REAL *a, const REAL *b, REAL *c,
                           ptrdiff_t m0, ptrdiff_t m1, ptrdiff_t n0, ptrdiff_t n1)
{
    const int by_rows = p->kind == GEMM_DOT_ROWS;
    const ptrdiff_t few = by_rows ? p->rows : p->columns, depth = p->depth, activated = p->flags & (GEMM_SIGMOID | GEMM_TANH);
    const REAL *x = by_rows ? a : b;
    if (few > 1 && (by_rows ? p->transpose_a : !p->transpose_b)) {
        REAL *rows = pool->scratch(few * depth * sizeof(REAL));
        if (!rows) return -1;
        for (ptrdiff_t k = 0; k < depth; k++)
            for (ptrdiff_t i = 0; i < few; i++) rows[i * depth + k] = x[k * few + i];
        x = rows;
    }
    if (by_rows) {
        const NAME(dot_target) target = {c, p->bias, p->columns, 1, 0, 1, p->flags};
        NAME(dot_block)(&target, depth, x, b, few, n0, n1);
        if (activated)
            for (ptrdiff_t i = 0; i < few; i++) NAME(activate)(c + i * p->columns + n0, n1 - n0, p->flags);
    } else {
        const NAME(dot_target) target = {c, p->bias, 1, few, 1, 0, p->flags};
        NAME(dot_block)(&target, depth, x, a, few, m0, m1);
        if (activated) NAME(activate)(c + m0 * few, (m1 - m0) * few, p->flags);
    }
    return 0;
}

/* The packed way. Loops from the outside: columns by GEMM_NC, k by GEMM_KC, rows by GEMM_MC, panels of B, tiles. A
 * panel, or a group of them, is packed when it is first used, so that it is near then. */
static int NAME(gemm_block)(const gemm_problem *p, const fastnn_pool_api *pool, ptrdiff_t item, ptrdiff_t m0,
                            ptrdiff_t m1, ptrdiff_t n0, ptrdiff_t n1)
{
    const ptrdiff_t ldc = p->columns, lda = p->transpose_a ? p->rows : p->depth,
                    ldb = p->transpose_b ? p->depth : p->columns, width = TILE_VECS * LANES;
    const REAL *a = (const REAL *)p->a + item * p->a_step, *b = (const REAL *)p->b + item * p->b_step;
    REAL *c = (REAL *)p->c + item * p->rows * p->columns;
    if (p->kind != GEMM_TILES) return NAME(gemm_dots)(p, pool, a, b, c, m0, m1, n0, n1);

    const ptrdiff_t rows = m1 - m0, columns = n1 - n0, rs = p->transpose_a ? 1 : lda, cs = p->transpose_a ? lda : 1;
    /* k is cut by its length alone, for rounding; rows and columns as they come. A tile that reads an A across k in place
     * takes a part of a line a step: half as many steps, so that the lines are still in L1 for its neighbour. */
    const ptrdiff_t longest = p->transpose_a ? GEMM_KC / 2 : GEMM_KC;
    const ptrdiff_t kc = gemm_round(gemm_ceil(p->depth, gemm_ceil(p->depth, longest) + !p->depth), 4) + 4 * !p->depth;
    const ptrdiff_t mc = gemm_round(gemm_ceil(rows, gemm_ceil(rows, GEMM_MC)), TILE_ROWS);
    const int one_block = rows <= mc; /* each panel of B is used at once, and never again */
    const ptrdiff_t nc = one_block ? columns : gemm_min(gemm_round(gemm_ceil(columns, gemm_ceil(columns, GEMM_NC)), width), columns);
    const int pack_a = columns > (p->transpose_a ? GEMM_DIRECT_A / 2 : GEMM_DIRECT_A) * width, pack_b = p->transpose_b || rows > GEMM_DIRECT_B;
    const ptrdiff_t stride = NAME(panel_stride)(kc), group = GEMM_GROUP * width;
    const ptrdiff_t a_size = pack_a ? gemm_round(mc / TILE_ROWS * stride, 64) : 0;
    REAL *a_pack = pool->scratch((a_size + kc * (one_block ? group : gemm_round(nc, width))) * sizeof(REAL));
    if (!a_pack) return -1;
    REAL *b_pack = a_pack + a_size;
    int wide = TILE_VECS;
    NAME(tile_fn) wide_tile = NULL;
    if (!pack_b && rows < TILE_ROWS) wide_tile = NAME(wide_tile)(rows, &wide);

    for (ptrdiff_t jc = n0; jc < n1; jc += nc) {
        const ptrdiff_t jend = gemm_min(jc + nc, n1);
        ptrdiff_t k = 0;
        do {
            const ptrdiff_t depth = gemm_min(kc, p->depth - k);
            const int last = k + depth >= p->depth;
            const int flags = (p->flags & GEMM_ADD) | (k ? GEMM_ADD : 0) | (last ? p->flags & (GEMM_BIAS | GEMM_RELU) : 0);
            for (ptrdiff_t ic = m0; ic < m1; ic += mc) {
                const ptrdiff_t iend = gemm_min(ic + mc, m1);
                if (pack_a && p->transpose_a) NAME(pack_a_block)(a_pack, stride, a + ic + k * cs, lda, iend - ic, depth);
                ptrdiff_t packed = ic == m0 ? jc : jend;
                for (ptrdiff_t j = jc, taken; j < jend; j += taken) {
                    ptrdiff_t ldp = width;
                    /* Of a B that is read in place only the last part of a vector is packed, at any multiple of LANES. */
                    const REAL *panel = b_pack + (!pack_b ? 0 : one_block ? (j - jc) % group : j - jc) * kc;
                    int vecs = TILE_VECS;
                    taken = gemm_min(width, jend - j);
                    if (!pack_b && jend - j >= LANES) {
                        panel = b + k * ldb + j;
                        ldp = ldb;
                        vecs = jend - j >= wide * LANES ? wide : jend - j >= width ? TILE_VECS : 1;
                        taken = vecs * LANES;
                    } else {
                        if (taken <= LANES) vecs = 1;
                        if (packed <= j && !p->transpose_b && jend - j >= group) {
                            NAME(pack_b_group)((REAL *)panel, width * kc, b + k * ldb + j, ldb, depth);
                            packed = j + group;
                        } else if (packed <= j)
                            NAME(pack_b)((REAL *)panel, p->transpose_b ? b + j * ldb + k : b + k * ldb + j, ldb,
                                         p->transpose_b, taken, depth);
                    }
                    REAL *a_panel = a_pack;
                    for (ptrdiff_t i = ic, height; i < iend; i += height, a_panel += stride) {
                        const REAL *source = a + i * rs + k * cs, *bias = p->bias ? (const REAL *)p->bias + j : NULL;
                        REAL *to = c + i * ldc + j;
                        ptrdiff_t a_rs = rs, a_cs = cs;
                        height = gemm_height(iend - i);
                        if (pack_a) {
                            if (j == jc && !p->transpose_a) NAME(pack_a)(a_panel, source, lda, height, depth);
                            source = a_panel, a_rs = 1, a_cs = TILE_ROWS;
                        }
                        NAME(tile_fn) tile = vecs > TILE_VECS ? wide_tile : NAME(tiles)[height - 1][vecs - 1];
                        if (taken < vecs * LANES)
                            NAME(edge_tile)(tile, height, taken, depth, source, a_rs, a_cs, panel, ldp, to, ldc, bias, flags);
                        else tile(depth, source, a_rs, a_cs, panel, ldp, to, ldc, bias, flags);
                    }
                }
                if (last && (p->flags & (GEMM_SIGMOID | GEMM_TANH)))
                    for (ptrdiff_t i = ic; i < iend; i++) NAME(activate)(c + i * ldc + jc, jend - jc, p->flags);
            }
            k += depth;
        } while (k < p->depth);
    }
    return 0;
}
