/* Packing: panels that the micro-kernels read from front to back. Included once for each type. */

/* to[k * width + r] = from[r * ld + k] for r < rows, k < depth: rows lie along k, the panel across it. */
static inline __attribute__((always_inline)) void NAME(pack_across)(
    const int width, REAL *to, const REAL *from, ptrdiff_t ld, ptrdiff_t rows, ptrdiff_t depth)
{
    ptrdiff_t r = 0;
    for (; r + BLOCK <= rows; r += BLOCK) {
        const REAL *p = from + r * ld;
        REAL *q = to + r;
        ptrdiff_t k = 0;
        for (; k + BLOCK <= depth; k += BLOCK) NAME(transpose)(q + k * width, width, p + k, ld);
        for (; k < depth; k++)
            for (int i = 0; i < BLOCK; i++) q[k * width + i] = p[i * ld + k];
    }
    for (; r < rows; r++)
        for (ptrdiff_t k = 0; k < depth; k++) to[k * width + r] = from[r * ld + k];
}

/* to[k * width + r] = from[k * ld + r]: rows lie across already. */
static inline __attribute__((always_inline)) void NAME(pack_along)(
    const int width, REAL *to, const REAL *from, ptrdiff_t ld, ptrdiff_t rows, ptrdiff_t depth)
{
    if (rows == width)
        for (ptrdiff_t k = 0; k < depth; k++) memcpy(to + k * width, from + k * ld, width * sizeof(REAL));
    else
        for (ptrdiff_t k = 0; k < depth; k++) NAME(copy_row)(to + k * width, from + k * ld, rows);
}

/* A panel of B: TILE_VECS vectors wide; columns that B does not have are zero up to the vector's end. */
static void NAME(pack_b)(REAL *to, const REAL *b, ptrdiff_t ld, int across, ptrdiff_t columns, ptrdiff_t depth)
{
    const int width = TILE_VECS * LANES;
    if (columns < width) memset(to, 0, depth * width * sizeof(REAL));
    if (across) NAME(pack_across)(width, to, b, ld, columns, depth);
    else NAME(pack_along)(width, to, b, ld, columns, depth);
}

/* GEMM_GROUP whole panels of a B that lies across k, `distance` numbers apart, row after row as it is in memory. */
static void NAME(pack_b_group)(REAL *to, ptrdiff_t distance, const REAL *b, ptrdiff_t ld, ptrdiff_t depth)
{
    enum { width = TILE_VECS * LANES };
    for (ptrdiff_t k = 0; k < depth; k++, b += ld, to += width)
        for (int panel = 0; panel < GEMM_GROUP; panel++) memcpy(to + panel * distance, b + panel * width, width * sizeof(REAL));
}

/* The distance of two panels of A: not a multiple of 4096 bytes, at which they would share sets of the L1 cache. */
static inline ptrdiff_t NAME(panel_stride)(ptrdiff_t depth) { return depth * TILE_ROWS + 2 * LANES; }

/* A panel of A whose rows lie along k: TILE_ROWS wide; rows that A does not have are left as they were, no kernel
 * reads them. */
static void NAME(pack_a)(REAL *to, const REAL *a, ptrdiff_t ld, ptrdiff_t rows, ptrdiff_t depth)
{
    NAME(pack_across)(TILE_ROWS, to, a, ld, rows, depth);
}

/* All panels of a block of A that lies across k, row after row as it is in memory: a panel alone would take parts of
 * cache lines, each from another page. */
static void NAME(pack_a_block)(REAL *to, ptrdiff_t stride, const REAL *a, ptrdiff_t ld, ptrdiff_t rows, ptrdiff_t depth)
{
    for (ptrdiff_t k = 0; k < depth; k++, a += ld, to += TILE_ROWS) {
        REAL *panel = to;
        for (ptrdiff_t i = 0, height; i < rows; i += height, panel += stride) {
            height = gemm_height(rows - i);
            if (height == TILE_ROWS) memcpy(panel, a + i, TILE_ROWS * sizeof(REAL));
            else for (ptrdiff_t r = 0; r < height; r++) panel[r] = a[i + r];
        }
    }
}
