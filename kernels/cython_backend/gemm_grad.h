/* g = grad * activation'(out) and column sums, in one pass. Included once for each type.
 *
 * The sums run in double within chunks of rows whose borders depend on the number of rows alone: ones added to 2**24
 * are kept, and the bits do not depend on the number of threads.
 */

static void NAME(grad_task)(void *context, ptrdiff_t index)
{
    const gemm_gradient *p = context;
    const ptrdiff_t chunk = index / p->strips, first = index % p->strips * GRAD_STRIP;
    const ptrdiff_t width = gemm_min(GRAD_STRIP, p->columns - first);
    const ptrdiff_t end = gemm_min((chunk + 1) * p->chunk_rows, p->rows);
    double sums[GRAD_STRIP];
    for (ptrdiff_t n = 0; n < width; n++) sums[n] = 0;
    for (ptrdiff_t m = chunk * p->chunk_rows; m < end; m++) {
        const ptrdiff_t place = m * p->columns + first;
        const REAL *restrict grad = (const REAL *)p->grad + place, *restrict g = grad;
        if (p->flags) {
            const REAL *restrict out = (const REAL *)p->out + place;
            REAL *restrict product = (REAL *)p->g + place;
            if (p->flags & GEMM_RELU)
                for (ptrdiff_t n = 0; n < width; n++) product[n] = out[n] <= 0 ? 0 : grad[n];
            else if (p->flags & GEMM_SIGMOID)
                for (ptrdiff_t n = 0; n < width; n++) product[n] = grad[n] * out[n] * (1 - out[n]);
            else
                for (ptrdiff_t n = 0; n < width; n++) product[n] = grad[n] * (1 - out[n] * out[n]);
            g = product;
        }
        if (p->partial)
            for (ptrdiff_t n = 0; n < width; n++) sums[n] += g[n];
    }
    if (p->partial)
        for (ptrdiff_t n = 0; n < width; n++) p->partial[chunk * p->columns + first + n] = sums[n];
}

/* The chunks' sums, in their order. */
static void NAME(fold)(const gemm_gradient *p, REAL *sums)
{
    for (ptrdiff_t n = 0; n < p->columns; n++) {
        double sum = 0;
        for (ptrdiff_t chunk = 0; chunk < p->chunks; chunk++) sum += p->partial[chunk * p->columns + n];
        sums[n] = (REAL)sum;
    }
}
