/* The micro-kernels: a tile of C in registers. Included once for each type, with REAL, VEC, LANES and NAME set.
 *
 * Every element of C is one chain of multiply-adds along k, whatever tile it lands in: so full and edge tiles, and
 * tiles cut elsewhere for another number of threads, round alike.
 */

/* Copies count <= TILE_VECS * LANES numbers. */
static inline void NAME(copy_row)(REAL *to, const REAL *from, ptrdiff_t count)
{
    for (int v = 0; v < TILE_VECS && count >= LANES; v++, count -= LANES, to += LANES, from += LANES) STORE(to, LOAD(from));
    if (count) NAME(store_part)(to, NAME(load_part)(from, count, 0), count);
}

/* x where x > 0 or x is NaN, else 0. */
static inline VEC NAME(relu)(VEC x)
{
    IVEC negative = x <= (VEC){0};
    return (VEC)((IVEC)x & ~negative);
}

/* C[rows, vecs * LANES] = relu(A B + C + bias), each part as flags say. A's element (i, k) is a[i * rs + k * cs],
 * B's row k starts at b + k * bs. rows and vecs are constants of each instance below. */
static inline __attribute__((always_inline)) void NAME(tile)(
    const int rows, const int vecs, ptrdiff_t depth, const REAL *a, ptrdiff_t rs, ptrdiff_t cs, const REAL *b,
    ptrdiff_t bs, REAL *c, ptrdiff_t ldc, const REAL *bias, int flags)
{
    VEC acc[TILE_ROWS > 8 ? TILE_ROWS : 8][8];
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int v = 0; v < vecs; v++) acc[i][v] = (VEC){0};
    if (depth >= GEMM_PREFETCH) {
        const REAL *row = c;
        for (int i = 0; i < rows; i++, row += ldc) {
            __asm__("" : "+r"(row)); /* one pointer that walks: else all of them are kept across the loop, and spilled */
            __builtin_prefetch(row, 1);
        }
    }
    for (ptrdiff_t k = 0; k < depth; k++, a += cs, b += bs) {
        VEC row[8];
#pragma GCC unroll 8
        for (int v = 0; v < vecs; v++) row[v] = LOAD(b + v * LANES);
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) {
            VEC x = SPLAT(a[i * rs]);
#pragma GCC unroll 8
            for (int v = 0; v < vecs; v++) acc[i][v] += x * row[v];
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int v = 0; v < vecs; v++) {
            VEC x = acc[i][v];
            REAL *to = c + i * ldc + v * LANES;
            if (flags & GEMM_ADD) x += LOAD(to);
            if (flags & GEMM_BIAS) x += LOAD(bias + v * LANES);
            if (flags & GEMM_ROW_BIAS) x += SPLAT(bias[i]);
            if (flags & GEMM_RELU) x = NAME(relu)(x);
            STORE(to, x);
        }
}

typedef void (*NAME(tile_fn))(ptrdiff_t depth, const REAL *a, ptrdiff_t rs, ptrdiff_t cs, const REAL *b, ptrdiff_t bs,
                              REAL *c, ptrdiff_t ldc, const REAL *bias, int flags);

#define TILE(R, V)                                                                                                    \
    static void NAME(tile_##R##x##V)(ptrdiff_t depth, const REAL *a, ptrdiff_t rs, ptrdiff_t cs, const REAL *b,       \
                                     ptrdiff_t bs, REAL *c, ptrdiff_t ldc, const REAL *bias, int flags)               \
    {                                                                                                                 \
        if (rs == 1 && cs == TILE_ROWS) NAME(tile)(R, V, depth, a, 1, TILE_ROWS, b, bs, c, ldc, bias, flags);         \
        else NAME(tile)(R, V, depth, a, rs, cs, b, bs, c, ldc, bias, flags);                                          \
    }
#define TILES(R) TILE(R, 1) TILE(R, 2)
TILES(1) TILES(2) TILES(3) TILES(4) TILES(5) TILES(6)
#if TILE_ROWS == 14
TILES(7) TILES(8) TILES(9) TILES(10) TILES(11) TILES(12) TILES(13) TILES(14)
#endif
TILE(1, 8) TILE(2, 4) TILE(3, 4)

#define PAIR(R) {NAME(tile_##R##x1), NAME(tile_##R##x2)}
static const NAME(tile_fn) NAME(tiles)[TILE_ROWS][TILE_VECS] = {
    PAIR(1), PAIR(2), PAIR(3), PAIR(4), PAIR(5), PAIR(6),
#if TILE_ROWS == 14
    PAIR(7), PAIR(8), PAIR(9), PAIR(10), PAIR(11), PAIR(12), PAIR(13), PAIR(14),
#endif
};
#undef PAIR
#undef TILES
#undef TILE

/* The widest tile for few rows, with enough accumulators to hide the latency of a multiply-add. */
static inline NAME(tile_fn) NAME(wide_tile)(ptrdiff_t rows, int *vecs)
{
    *vecs = rows == 1 ? 8 : rows <= 3 ? 4 : 2;
    return rows == 1 ? NAME(tile_1x8) : rows == 2 ? NAME(tile_2x4) : rows == 3 ? NAME(tile_3x4) : NAME(tiles)[rows - 1][1];
}

/* A tile of which only the first `columns` are C's: through a buffer, so that nothing beyond them is touched. */
static void NAME(edge_tile)(NAME(tile_fn) tile, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t depth, const REAL *a,
                            ptrdiff_t rs, ptrdiff_t cs, const REAL *b, ptrdiff_t bs, REAL *c, ptrdiff_t ldc,
                            const REAL *bias, int flags)
{
    REAL buffer[TILE_ROWS * TILE_VECS * LANES], edge[TILE_VECS * LANES] = {0};
    if (flags & GEMM_ADD) {
        memset(buffer, 0, sizeof buffer);
        for (ptrdiff_t i = 0; i < rows; i++) NAME(copy_row)(buffer + i * TILE_VECS * LANES, c + i * ldc, columns);
    }
    if (flags & GEMM_BIAS) NAME(copy_row)(edge, bias, columns);
    tile(depth, a, rs, cs, b, bs, buffer, TILE_VECS * LANES, flags & GEMM_BIAS ? edge : bias, flags);
    for (ptrdiff_t i = 0; i < rows; i++) NAME(copy_row)(c + i * ldc, buffer + i * TILE_VECS * LANES, columns);
}
