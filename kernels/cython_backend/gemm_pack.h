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

/* A panel of A: TILE_ROWS wide; rows that A does not have are left as they were, no kernel reads them. */
static void NAME(pack_a)(REAL *to, const REAL *a, ptrdiff_t ld, int across, ptrdiff_t rows, ptrdiff_t depth)
{
    if (across) NAME(pack_across)(TILE_ROWS, to, a, ld, rows, depth);
    else NAME(pack_along)(TILE_ROWS, to, a, ld, rows, depth);
}
