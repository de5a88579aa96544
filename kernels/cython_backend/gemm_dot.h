/* Few rows against many: dot products along k, nothing packed. Included once for each type. */

/* sums[i * group + j] = <x[i], w[j]>. `chains` vectors run along k, a number that depends on few alone, so that a
 * product rounds alike in a group of any size. */
static inline __attribute__((always_inline)) void NAME(dots)(
    const int few, const int group, const int chains, ptrdiff_t depth, const REAL *x, ptrdiff_t xs, const REAL *w,
    ptrdiff_t ws, REAL *sums)
{
    VEC acc[4][4][2];
#pragma GCC unroll 4
    for (int i = 0; i < few; i++)
#pragma GCC unroll 4
        for (int j = 0; j < group; j++)
#pragma GCC unroll 2
            for (int h = 0; h < chains; h++) acc[i][j][h] = (VEC){0};
    ptrdiff_t k = 0;
    for (; k + chains * LANES <= depth; k += chains * LANES)
#pragma GCC unroll 2
        for (int h = 0; h < chains; h++) {
            VEC row[4];
#pragma GCC unroll 4
            for (int i = 0; i < few; i++) row[i] = LOAD(x + i * xs + k + h * LANES);
#pragma GCC unroll 4
            for (int j = 0; j < group; j++) {
                VEC y = LOAD(w + j * ws + k + h * LANES);
#pragma GCC unroll 4
                for (int i = 0; i < few; i++) acc[i][j][h] += row[i] * y;
            }
        }
    REAL x_tail[4 * LANES], w_tail[4 * LANES];
    for (ptrdiff_t left = depth - k; left > 0; left -= LANES, k += LANES) {
        if (left < LANES) { /* the rest, with zeros; in this loop, so that multiply and add are fused here too */
            for (int i = 0; i < few; i++) STORE(x_tail + i * LANES, NAME(load_part)(x + i * xs + k, left, 0));
            for (int j = 0; j < group; j++) STORE(w_tail + j * LANES, NAME(load_part)(w + j * ws + k, left, 0));
            x = x_tail, w = w_tail, xs = ws = LANES, k = 0;
        }
#pragma GCC unroll 4
        for (int j = 0; j < group; j++)
#pragma GCC unroll 4
            for (int i = 0; i < few; i++) acc[i][j][0] += LOAD(x + i * xs + k) * LOAD(w + j * ws + k);
    }
#pragma GCC unroll 4
    for (int i = 0; i < few; i++)
#pragma GCC unroll 4
        for (int j = 0; j < group; j++) {
            VEC total = acc[i][j][0];
            if (chains > 1) total += acc[i][j][1];
            sums[i * group + j] = NAME(sum_lanes)(total);
        }
}

#define DOTS(FEW, GROUP, CHAINS)                                                                                      \
    static void NAME(dots_##FEW##x##GROUP)(ptrdiff_t depth, const REAL *x, ptrdiff_t xs, const REAL *w, ptrdiff_t ws, \
                                           REAL *sums)                                                                \
    {                                                                                                                 \
        NAME(dots)(FEW, GROUP, CHAINS, depth, x, xs, w, ws, sums);                                                    \
    }
DOTS(1, 4, 2) DOTS(1, 1, 2) DOTS(2, 4, 1) DOTS(2, 1, 1) DOTS(3, 4, 1) DOTS(3, 1, 1) DOTS(4, 2, 1) DOTS(4, 1, 1)
#undef DOTS

/* The block of rows [first, end) of the many, all of the few: C's element (i of the few, j of the many) is
 * c[i * few_stride + j * many_stride], its bias lies along the many or the few. */
static void NAME(dot_block)(const gemm_problem *p, const REAL *x, ptrdiff_t xs, const REAL *w, ptrdiff_t ws, REAL *c,
                            ptrdiff_t few_stride, ptrdiff_t many_stride, ptrdiff_t few, ptrdiff_t first, ptrdiff_t end,
                            const REAL *bias, ptrdiff_t bias_few, ptrdiff_t bias_many)
{
    typedef void (*dots_fn)(ptrdiff_t, const REAL *, ptrdiff_t, const REAL *, ptrdiff_t, REAL *);
    static const dots_fn groups[4][2] = {{NAME(dots_1x4), NAME(dots_1x1)},
                                         {NAME(dots_2x4), NAME(dots_2x1)},
                                         {NAME(dots_3x4), NAME(dots_3x1)},
                                         {NAME(dots_4x2), NAME(dots_4x1)}};
    REAL sums[16];
    for (ptrdiff_t j = first; j < end;) {
        ptrdiff_t group = few == 4 ? 2 : 4;
        if (j + group > end) group = 1;
        groups[few - 1][group == 1](p->depth, x, xs, w + j * ws, ws, sums);
        for (ptrdiff_t i = 0; i < few; i++)
            for (ptrdiff_t g = 0; g < group; g++) {
                REAL *to = c + i * few_stride + (j + g) * many_stride;
                REAL value = sums[i * group + g];
                if (p->flags & GEMM_ADD) value += *to;
                if (bias) value += bias[i * bias_few + (j + g) * bias_many];
                if (p->flags & GEMM_RELU) value = value <= 0 ? 0 : value;
                *to = value;
            }
        j += group;
    }
}
