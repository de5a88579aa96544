/* Convolutions with few output or few input channels a group (depthwise ones): nothing is packed, every tap is a
 * multiply-add of whole rows. Included once for each type.
 *
 * A band is the part of an input plane that some rows of the output read, within its zeros, in scratch memory that fits
 * the first-level cache. A stride along the width is undone while it is filled (phase by phase), so that for
 * every tap neighbouring outputs read neighbouring numbers. What lies behind a line's span is read for outputs that nobody
 * keeps. */
#define DEPTH_WIDTH 512
#define DEPTH_BYTES 24576

typedef struct {
    ptrdiff_t width, height;                        /* of the output that one band serves */
    ptrdiff_t low_d, low_h, low_w;                  /* the lowest place that any tap adds */
    ptrdiff_t rows, span, pitch, row_pitch, slices; /* input rows, their reach, a phase's and a row's size, input slices */
    REAL *memory;
    ptrdiff_t *offset;                              /* of each tap from an output's place in the band */
} NAME(band);

static inline ptrdiff_t NAME(lowest)(const conv_axis *a) { return a->in_tap < 0 ? (a->taps - 1) * a->in_tap : 0; }
static inline ptrdiff_t NAME(reach)(const conv_axis *a, ptrdiff_t count)
{
    return (count - 1) * a->in_step + (a->taps - 1) * (a->in_tap < 0 ? -a->in_tap : a->in_tap) + 1;
}

static size_t NAME(band_plan)(const conv_problem *p, NAME(band) *b)
{
    const conv_axis *a = p->axis;
    b->width = gemm_min(a[2].count, DEPTH_WIDTH);
    b->span = NAME(reach)(a + 2, b->width);
    b->pitch = gemm_ceil(b->span, a[2].in_step) + 4 * LANES;
    b->row_pitch = b->pitch * a[2].in_step;
    b->slices = a[0].taps;
    b->height = a[1].count;
    while (b->height > 1 && NAME(reach)(a + 1, b->height) * b->slices * b->row_pitch * (ptrdiff_t)sizeof(REAL) > DEPTH_BYTES)
        b->height = gemm_ceil(b->height, 2);
    b->rows = NAME(reach)(a + 1, b->height);
    b->low_d = NAME(lowest)(a), b->low_h = NAME(lowest)(a + 1), b->low_w = NAME(lowest)(a + 2);
    return conv_bytes(b->slices * b->rows * b->row_pitch * sizeof(REAL)) + conv_bytes(p->taps * sizeof(ptrdiff_t));
}

static void NAME(band_offsets)(const conv_problem *p, NAME(band) *b, char *memory)
{
    const conv_axis *a = p->axis;
    b->memory = (REAL *)memory;
    b->offset = (ptrdiff_t *)(memory + conv_bytes(b->slices * b->rows * b->row_pitch * sizeof(REAL)));
    ptrdiff_t t = 0;
    for (ptrdiff_t d = 0; d < a[0].taps; d++)
        for (ptrdiff_t h = 0; h < a[1].taps; h++)
            for (ptrdiff_t w = 0; w < a[2].taps; w++) {
                const ptrdiff_t across = w * a[2].in_tap - b->low_w;
                b->offset[t++] = (d * b->rows + h * a[1].in_tap - b->low_h) * b->row_pitch + across % a[2].in_step * b->pitch
                                 + across / a[2].in_step;
            }
}

/* Fills the band for outputs from (d, h, w) on, `height` rows of them, from a plane. */
static void NAME(band_fill)(const conv_problem *p, const NAME(band) *b, const REAL *plane, ptrdiff_t d, ptrdiff_t h, ptrdiff_t w,
                            ptrdiff_t height, ptrdiff_t width)
{
    const conv_axis *a = p->axis;
    const ptrdiff_t rows = NAME(reach)(a + 1, height), span = NAME(reach)(a + 2, width), step = a[2].in_step;
    const ptrdiff_t h0 = h * a[1].in_step + a[1].in_base + b->low_h, w0 = w * step + a[2].in_base + b->low_w;
    const ptrdiff_t skip = gemm_min(w0 < 0 ? -w0 : 0, span);
    const ptrdiff_t inside = gemm_min(span, a[2].extent - w0) - skip; /* may be negative */
    for (ptrdiff_t s = 0; s < b->slices; s++) {
        const ptrdiff_t slice = d * a[0].in_step + a[0].in_base + s * a[0].in_tap;
        for (ptrdiff_t r = 0; r < rows; r++) {
            REAL *to = b->memory + (s * b->rows + r) * b->row_pitch;
            const ptrdiff_t row = h0 + r;
            const int valid = slice >= 0 && slice < a[0].extent && row >= 0 && row < a[1].extent && inside > 0;
            if (!valid) {
                memset(to, 0, (step == 1 ? span : b->row_pitch) * sizeof(REAL));
                continue;
            }
            const REAL *from = plane + (slice * a[1].extent + row) * a[2].extent + w0 + skip;
            if (step == 1) {
                ptrdiff_t i = 0; /* a call of memcpy takes longer than a short line */
                for (; i < skip; i++) to[i] = 0;
                for (i = 0; i + LANES <= inside; i += LANES) STORE(to + skip + i, LOAD(from + i));
                if (i < inside) STORE(to + skip + i, NAME(load_part)(from + i, inside - i, 0)), i += LANES;
                for (i += skip; i < span; i++) to[i] = 0;
                continue;
            }
            memset(to, 0, b->row_pitch * sizeof(REAL));
            for (ptrdiff_t phase = 0; phase < step; phase++) {
                const ptrdiff_t lead = skip <= phase ? 0 : gemm_ceil(skip - phase, step);
                REAL *line = to + phase * b->pitch + lead;
                ptrdiff_t i = lead * step + phase - skip;
                for (; i < inside; i += step) *line++ = from[i];
            }
        }
    }
}

/* One row of outputs: to[i] = relu(sum over taps of w[t] band[i + offset[t]] + bias + (to[i] if add)). */
static void NAME(depth_row)(const NAME(band) *b, const REAL *base, const REAL *w, ptrdiff_t taps, REAL *to, ptrdiff_t n,
                            REAL bias, int add, int relu)
{
    for (ptrdiff_t i = 0; i < n; i += 4 * LANES) {
        VEC acc[4];
        for (int v = 0; v < 4; v++) acc[v] = SPLAT(bias);
        for (ptrdiff_t t = 0; t < taps; t++) {
            const REAL *from = base + b->offset[t] + i;
            const VEC x = SPLAT(w[t]);
            for (int v = 0; v < 4; v++) acc[v] += x * LOAD(from + v * LANES);
        }
        for (int v = 0; v < 4; v++) {
            const ptrdiff_t left = n - i - v * LANES;
            if (left <= 0) break;
            REAL *place = to + i + v * LANES;
            if (add) acc[v] += left >= LANES ? LOAD(place) : NAME(load_part)(place, left, 0);
            if (relu) acc[v] = NAME(relu)(acc[v]);
            if (left >= LANES) STORE(place, acc[v]);
            else NAME(store_part)(place, acc[v], left);
        }
    }
}

/* `rows` rows of outputs at once where neighbours share two of three lines of 3 x 3 taps: each line is loaded once for all
 * of them. The sums are depth_row's, tap after tap. line: from one line of the band, and row: from one output row to the next,
 * both negative where the taps go up. */
static inline __attribute__((always_inline)) void NAME(depth_rows_3x3)(const int rows, const REAL *base, const ptrdiff_t *offset, ptrdiff_t line,
                                                                       const REAL *w, REAL *to, ptrdiff_t row, ptrdiff_t n, REAL bias,
                                                                       int add, int relu)
{
    VEC taps[9];
    for (int t = 0; t < 9; t++) taps[t] = SPLAT(w[t]);
    const REAL *from[3] = {base + offset[0], base + offset[1], base + offset[2]};
    for (ptrdiff_t i = 0; i < n; i += LANES) {
        VEC acc[4];
        for (int y = 0; y < rows; y++) acc[y] = SPLAT(bias);
#pragma GCC unroll 6
        for (int k = 0; k < rows + 2; k++)
#pragma GCC unroll 3
            for (int across = 0; across < 3; across++) {
                const VEC x = LOAD(from[across] + k * line + i);
#pragma GCC unroll 4
                for (int y = 0; y < rows; y++)
                    if (k >= y && k - y < 3) acc[y] += taps[3 * (k - y) + across] * x;
            }
        const ptrdiff_t left = n - i;
        for (int y = 0; y < rows; y++) {
            REAL *place = to + y * row + i;
            if (add) acc[y] += left >= LANES ? LOAD(place) : NAME(load_part)(place, left, 0);
            if (relu) acc[y] = NAME(relu)(acc[y]);
            if (left >= LANES) STORE(place, acc[y]);
            else NAME(store_part)(place, acc[y], left);
        }
    }
}

/* `height` rows of outputs, `row` numbers apart. */
static void NAME(depth_rows)(const conv_problem *p, const NAME(band) *b, const REAL *w, REAL *to, ptrdiff_t row, ptrdiff_t height, ptrdiff_t n,
                             REAL bias, int add, int relu)
{
    const conv_axis *a = p->axis;
    const ptrdiff_t step = a[1].in_step * b->row_pitch;
    ptrdiff_t y = 0;
    if (a[0].taps == 1 && a[1].taps == 3 && a[2].taps == 3 && a[1].in_step == 1 && (a[1].in_tap == 1 || a[1].in_tap == -1)) {
        const int up = a[1].in_tap < 0;
        const ptrdiff_t sign = up ? -1 : 1;
        for (; y + 4 <= height; y += 4) {
            const ptrdiff_t first = up ? y + 3 : y;
            NAME(depth_rows_3x3)(4, b->memory + first * step, b->offset, sign * step, w, to + first * row, sign * row, n, bias, add, relu);
        }
        if (y + 2 <= height) {
            const ptrdiff_t first = up ? y + 1 : y;
            NAME(depth_rows_3x3)(2, b->memory + first * step, b->offset, sign * step, w, to + first * row, sign * row, n, bias, add, relu);
            y += 2;
        }
    }
    for (; y < height; y++) NAME(depth_row)(b, b->memory + y * step, w, p->taps, to + y * row, n, bias, add, relu);
}

/* The taps of one pair of channels, in order. */
static inline void NAME(depth_taps)(const conv_problem *p, REAL *to, ptrdiff_t group, ptrdiff_t row, ptrdiff_t channel, const ptrdiff_t *places)
{
    const REAL *from = (const REAL *)p->w + group * p->w_group + row * p->w_row + channel * p->w_channel;
    for (ptrdiff_t t = 0; t < p->taps; t++) to[t] = from[places[t]];
}

/* Rows [h0, h1) of the output, of all channels of one image and group. Where there are several input channels, the sums
 * over them stand in `sums` meanwhile. */
static int NAME(depth_task)(const conv_problem *p, const fastnn_pool_api *pool, ptrdiff_t image, ptrdiff_t group, ptrdiff_t h0,
                            ptrdiff_t h1)
{
    NAME(band) b;
    const conv_axis *a = p->axis;
    const size_t band_bytes = NAME(band_plan)(p, &b), taps_bytes = conv_bytes(p->taps * sizeof(REAL));
    const ptrdiff_t block = b.height * b.width;
    const size_t sum_bytes = conv_bytes(p->rows * block * sizeof(REAL));
    char *memory = pool->scratch(band_bytes + taps_bytes + sum_bytes + p->taps * sizeof(ptrdiff_t));
    if (!memory) return -1;
    NAME(band_offsets)(p, &b, memory);
    REAL *w = (REAL *)(memory + band_bytes), *sums = w + taps_bytes / sizeof(REAL);
    ptrdiff_t *places = (ptrdiff_t *)(memory + band_bytes + taps_bytes + sum_bytes);
    conv_tap_places(p, places);
    const int directly = p->channels == 1 && a[2].out_step == 1, relu = (p->flags & GEMM_RELU) != 0;
    const REAL *x = (const REAL *)p->x + (image * p->groups + group) * p->channels * p->plane;
    REAL *out = (REAL *)p->out + (image * p->groups + group) * p->rows * p->out_plane;
    for (ptrdiff_t d = 0; d < a[0].count; d++)
        for (ptrdiff_t h = h0; h < h1; h += b.height)
            for (ptrdiff_t left = 0; left < a[2].count; left += b.width) {
                const ptrdiff_t height = gemm_min(b.height, h1 - h), width = gemm_min(b.width, a[2].count - left);
                for (ptrdiff_t channel = 0; channel < p->channels; channel++) {
                    const int last = channel == p->channels - 1;
                    NAME(band_fill)(p, &b, x + channel * p->plane, d, h, left, height, width);
                    for (ptrdiff_t row = 0; row < p->rows; row++) {
                        NAME(depth_taps)(p, w, group, row, channel, places);
                        const REAL bias = last && p->bias ? ((const REAL *)p->bias)[group * p->rows + row] : 0;
                        const ptrdiff_t at[3] = {d, h, left}, next[3] = {d, h + 1, left};
                        REAL *to = directly ? out + row * p->out_plane + conv_out_place(p, at) : sums + row * block;
                        NAME(depth_rows)(p, &b, w, to, directly ? conv_out_place(p, next) - conv_out_place(p, at) : width, height, width,
                                         bias, channel > 0, last && relu);
                    }
                }
                if (directly) continue;
                for (ptrdiff_t row = 0; row < p->rows; row++)
                    for (ptrdiff_t y = 0; y < height; y++) {
                        const ptrdiff_t at[3] = {d, h + y, left};
                        REAL *to = out + row * p->out_plane + conv_out_place(p, at);
                        const REAL *from = sums + row * block + y * width;
                        if (a[2].out_step == 1) memcpy(to, from, width * sizeof(REAL));
                        else for (ptrdiff_t i = 0; i < width; i++) to[i * a[2].out_step] = from[i];
                    }
            }
    return 0;
}

/* The other way round: few input channels, many rows. The bands of all channels are there at once, and a tile of several
 * rows and two vectors of one line reads them in place of a packed panel: `offset` of each k (channel and tap). */
static inline __attribute__((always_inline)) void NAME(band_tile)(
    const int rows, const int vecs, ptrdiff_t depth, const REAL *a, const REAL *base, const ptrdiff_t *offset, REAL *c,
    ptrdiff_t ldc, const REAL *bias, int relu)
{
    VEC acc[TILE_ROWS][TILE_VECS];
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int v = 0; v < vecs; v++) acc[i][v] = SPLAT(bias[i]);
    for (ptrdiff_t k = 0; k < depth; k++, a += TILE_ROWS) {
        const REAL *from = base + offset[k];
        VEC line[TILE_VECS];
#pragma GCC unroll 2
        for (int v = 0; v < vecs; v++) line[v] = LOAD(from + v * LANES);
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) {
            const VEC x = SPLAT(a[i]);
#pragma GCC unroll 2
            for (int v = 0; v < vecs; v++) acc[i][v] += x * line[v];
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int v = 0; v < vecs; v++) STORE(c + i * ldc + v * LANES, relu ? NAME(relu)(acc[i][v]) : acc[i][v]);
}

typedef void (*NAME(band_tile_fn))(ptrdiff_t depth, const REAL *a, const REAL *base, const ptrdiff_t *offset, REAL *c, ptrdiff_t ldc,
                                   const REAL *bias, int relu);
#define BAND_TILE(R, V)                                                                                                        \
    static void NAME(band_tile_##R##x##V)(ptrdiff_t depth, const REAL *a, const REAL *base, const ptrdiff_t *offset, REAL *c,   \
                                          ptrdiff_t ldc, const REAL *bias, int relu)                                           \
    {                                                                                                                          \
        NAME(band_tile)(R, V, depth, a, base, offset, c, ldc, bias, relu);                                                     \
    }
#define BAND_TILES(R) BAND_TILE(R, 1) BAND_TILE(R, 2)
BAND_TILES(1) BAND_TILES(2) BAND_TILES(3) BAND_TILES(4) BAND_TILES(5) BAND_TILES(6)
#if TILE_ROWS == 14
BAND_TILES(7) BAND_TILES(8) BAND_TILES(9) BAND_TILES(10) BAND_TILES(11) BAND_TILES(12) BAND_TILES(13) BAND_TILES(14)
#endif
#define BAND_PAIR(R) {NAME(band_tile_##R##x1), NAME(band_tile_##R##x2)}
static const NAME(band_tile_fn) NAME(band_tiles)[TILE_ROWS][TILE_VECS] = {
    BAND_PAIR(1), BAND_PAIR(2), BAND_PAIR(3), BAND_PAIR(4), BAND_PAIR(5), BAND_PAIR(6),
#if TILE_ROWS == 14
    BAND_PAIR(7), BAND_PAIR(8), BAND_PAIR(9), BAND_PAIR(10), BAND_PAIR(11), BAND_PAIR(12), BAND_PAIR(13), BAND_PAIR(14),
#endif
};
#undef BAND_PAIR
#undef BAND_TILES
#undef BAND_TILE

/* Rows [h0, h1) of the output, of all channels of one image and group, by such tiles. */
static int NAME(bands_task)(const conv_problem *p, const fastnn_pool_api *pool, ptrdiff_t image, ptrdiff_t group, ptrdiff_t h0,
                            ptrdiff_t h1)
{
    NAME(band) b;
    const conv_axis *a = p->axis;
    const size_t band_bytes = NAME(band_plan)(p, &b);
    const ptrdiff_t band = (ptrdiff_t)(band_bytes / sizeof(REAL)), panels = gemm_ceil(p->rows, TILE_ROWS) + 1, full = TILE_VECS * LANES;
    const size_t w_bytes = conv_bytes(panels * p->depth * TILE_ROWS * sizeof(REAL));
    char *memory = pool->scratch(p->channels * band_bytes + w_bytes + (p->depth + p->taps) * sizeof(ptrdiff_t));
    if (!memory) return -1;
    REAL *w = (REAL *)(memory + p->channels * band_bytes);
    ptrdiff_t *offset = (ptrdiff_t *)(memory + p->channels * band_bytes + w_bytes), *places = offset + p->depth;
    conv_tap_places(p, places);
    NAME(band_offsets)(p, &b, memory);
    for (ptrdiff_t k = 0; k < p->depth; k++) offset[k] = k / p->taps * band + b.offset[k % p->taps];
    REAL *panel = w;
    for (ptrdiff_t i = 0, rows; i < p->rows; i += rows, panel += p->depth * TILE_ROWS) {
        rows = gemm_height(p->rows - i);
        NAME(conv_pack_weight)(p, panel, (const REAL *)p->w + group * p->w_group + i * p->w_row, places, rows, 0, p->depth);
    }
    const int relu = (p->flags & GEMM_RELU) != 0;
    const REAL none[TILE_ROWS] = {0}, *x = (const REAL *)p->x + (image * p->groups + group) * p->channels * p->plane;
    REAL *out = (REAL *)p->out + (image * p->groups + group) * p->rows * p->out_plane;
    for (ptrdiff_t d = 0; d < a[0].count; d++)
        for (ptrdiff_t h = h0; h < h1; h += b.height)
            for (ptrdiff_t left = 0; left < a[2].count; left += b.width) {
                const ptrdiff_t height = gemm_min(b.height, h1 - h), width = gemm_min(b.width, a[2].count - left);
                for (ptrdiff_t channel = 0; channel < p->channels; channel++) {
                    b.memory = (REAL *)memory + channel * band;
                    NAME(band_fill)(p, &b, x + channel * p->plane, d, h, left, height, width);
                }
                for (ptrdiff_t y = 0; y < height; y++) {
                    const ptrdiff_t at[3] = {d, h + y, left};
                    REAL *line = out + conv_out_place(p, at);
                    for (ptrdiff_t q = 0; q < width; q += full) {
                        const ptrdiff_t taken = gemm_min(full, width - q);
                        const int vecs = taken <= LANES ? 1 : TILE_VECS;
                        const REAL *base = (REAL *)memory + y * a[1].in_step * b.row_pitch + q;
                        panel = w;
                        for (ptrdiff_t i = 0, rows; i < p->rows; i += rows, panel += p->depth * TILE_ROWS) {
                            rows = gemm_height(p->rows - i);
                            const REAL *bias = p->bias ? (const REAL *)p->bias + group * p->rows + i : none;
                            REAL *to = line + i * p->out_plane + q, buffer[TILE_ROWS * TILE_VECS * LANES];
                            if (taken == vecs * LANES) {
                                NAME(band_tiles)[rows - 1][vecs - 1](p->depth, panel, base, offset, to, p->out_plane, bias, relu);
                                continue;
                            }
                            NAME(band_tiles)[rows - 1][vecs - 1](p->depth, panel, base, offset, buffer, full, bias, relu);
                            for (ptrdiff_t k = 0; k < rows; k++) NAME(copy_row)(to + k * p->out_plane, buffer + k * full, taken);
                        }
                    }
                }
            }
    return 0;
}

/* sums[t] += the sum over n columns of g[i] band[i + offset[t]], for up to 8 taps, over `height` rows. */
static void NAME(depth_dots)(const ptrdiff_t *offset, int taps, const REAL *base, ptrdiff_t base_step, const REAL *g,
                             ptrdiff_t g_step, ptrdiff_t height, ptrdiff_t n, double *sums)
{
    VEC acc[8];
    const REAL *from[8];
    for (int t = 0; t < 8; t++) acc[t] = (VEC){0}, from[t] = base + offset[t < taps ? t : 0];
    for (ptrdiff_t y = 0; y < height; y++, g += g_step) {
        ptrdiff_t i = 0;
        for (; i + LANES <= n; i += LANES) {
            const VEC x = LOAD(g + i);
            for (int t = 0; t < 8; t++) acc[t] += x * LOAD(from[t] + i);
        }
        if (i < n) {
            const VEC x = NAME(load_part)(g + i, n - i, 0);
            for (int t = 0; t < 8; t++) acc[t] += x * NAME(load_part)(from[t] + i, n - i, 0);
        }
        for (int t = 0; t < 8; t++) from[t] += base_step;
    }
    for (int t = 0; t < taps; t++) sums[t] += NAME(sum_lanes)(acc[t]);
}

/* The gradient of the taps between one pair of channels, over all images in order. */
static int NAME(depth_weight)(const conv_problem *p, const fastnn_pool_api *pool, ptrdiff_t index)
{
    NAME(band) b;
    const size_t band_bytes = NAME(band_plan)(p, &b);
    char *memory = pool->scratch(band_bytes + p->taps * sizeof(double));
    if (!memory) return -1;
    NAME(band_offsets)(p, &b, memory);
    double *sums = (double *)(memory + band_bytes);
    memset(sums, 0, p->taps * sizeof(double));
    const conv_axis *a = p->axis;
    const ptrdiff_t row = index / p->channels, channel = row / p->rows * p->channels + index % p->channels;
    for (ptrdiff_t image = 0; image < p->images; image++) {
        const REAL *g = (const REAL *)p->grad + (image * p->groups * p->rows + row) * p->pixels;
        const REAL *plane = (const REAL *)p->x + (image * p->groups * p->channels + channel) * p->plane;
        for (ptrdiff_t d = 0; d < a[0].count; d++)
            for (ptrdiff_t h = 0; h < a[1].count; h += b.height)
                for (ptrdiff_t left = 0; left < a[2].count; left += b.width) {
                    const ptrdiff_t height = gemm_min(b.height, a[1].count - h), width = gemm_min(b.width, a[2].count - left);
                    NAME(band_fill)(p, &b, plane, d, h, left, height, width);
                    for (ptrdiff_t t = 0; t < p->taps; t += 8)
                        NAME(depth_dots)(b.offset + t, (int)gemm_min(8, p->taps - t), b.memory, a[1].in_step * b.row_pitch,
                                         g + (d * a[1].count + h) * a[2].count + left, a[2].count, height, width, sums + t);
                }
    }
    REAL *to = (REAL *)p->out + index * p->taps;
    for (ptrdiff_t t = 0; t < p->taps; t++) to[t] = (REAL)sums[t];
    return 0;
}
