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
            /* The smaller side stays in registers, the other passes through one. */
            VEC held[4];
            const int holds = few < group ? few : group, passes = few < group ? group : few;
#pragma GCC unroll 4
            for (int i = 0; i < holds; i++) {
                held[i] = LOAD((few < group ? x + i * xs : w + i * ws) + k + h * LANES);
                GEMM_HOLD(held[i]);
            }
#pragma GCC unroll 4
            for (int j = 0; j < passes; j++) {
                VEC y = LOAD((few < group ? w + j * ws : x + j * xs) + k + h * LANES);
                if (holds > 1) GEMM_HOLD(y);
#pragma GCC unroll 4
                for (int i = 0; i < holds; i++)
                    if (few < group) acc[i][j][h] += held[i] * y;
                    else acc[j][i][h] += held[i] * y;
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
DOTS(1, 4, 2) DOTS(1, 1, 2) DOTS(2, 4, 1) DOTS(2, 1, 1) DOTS(3, 4, 1) DOTS(3, 1, 1) DOTS(4, 3, 1) DOTS(4, 1, 1)
#undef DOTS

/* Where the results go: C's element (i of the few, j of the many) is c[i * few_step + j * many_step]. */
typedef struct {
    REAL *c;
    const REAL *bias;
    ptrdiff_t few_step, many_step, bias_few_step, bias_many_step;
    int flags;
} NAME(dot_target);

/* Rows [first, end) of the many, all of the few, in groups of at most 4 whose sizes depend on `few` alone. */
static void NAME(dot_block)(const NAME(dot_target) *t, ptrdiff_t depth, const REAL *x, const REAL *w, ptrdiff_t few,
                            ptrdiff_t first, ptrdiff_t end)
{
    typedef void (*dots_fn)(ptrdiff_t, const REAL *, ptrdiff_t, const REAL *, ptrdiff_t, REAL *);
    static const dots_fn groups[4][2] = {{NAME(dots_1x4), NAME(dots_1x1)},
                                         {NAME(dots_2x4), NAME(dots_2x1)},
                                         {NAME(dots_3x4), NAME(dots_3x1)},
                                         {NAME(dots_4x3), NAME(dots_4x1)}};
    const ptrdiff_t parts = gemm_ceil(few, 4), part = gemm_ceil(few, parts);
    REAL sums[16];
    for (ptrdiff_t start = first; start < end; start += 12) /* so many of the many stay in cache for all of the few */
        for (ptrdiff_t i0 = 0; i0 < few; i0 += part) {
            const ptrdiff_t height = gemm_min(part, few - i0), stop = gemm_min(start + 12, end);
            for (ptrdiff_t j = start, group; j < stop; j += group) {
                group = height == 4 ? 3 : 4;
                if (j + group > stop) group = 1;
                groups[height - 1][group == 1](depth, x + i0 * depth, depth, w + j * depth, depth, sums);
                for (ptrdiff_t i = 0; i < height; i++)
                    for (ptrdiff_t g = 0; g < group; g++) {
                        REAL *to = t->c + (i0 + i) * t->few_step + (j + g) * t->many_step;
                        REAL value = sums[i * group + g];
                        if (t->flags & GEMM_ADD) value += *to;
                        if (t->flags & GEMM_BIAS) value += t->bias[(i0 + i) * t->bias_few_step + (j + g) * t->bias_many_step];
                        if (t->flags & GEMM_RELU) value = value <= 0 ? 0 : value;
                        *to = value;
                    }
            }
        }
}
