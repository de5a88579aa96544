/* Nothing but fused products and sums, as many as the processor can start: what the roofline is measured with. */
#ifndef FASTNN_PEAK_H
#define FASTNN_PEAK_H

#include "simd.h"

enum { PEAK_CHAINS = 12 }; /* independent chains: two units of latency 4 or 5 are kept busy by 10 */

#define PEAK_LOOP(real, vec, name) \
    static double fma_loop_##name(ptrdiff_t rounds) { \
        vec chains[PEAK_CHAINS], x = splat_##name((real)0.999), y = splat_##name((real)1e-3); \
        for (int k = 0; k < PEAK_CHAINS; k++) chains[k] = splat_##name((real)(1 + k)); \
        for (ptrdiff_t i = 0; i < rounds; i++) \
            for (int k = 0; k < PEAK_CHAINS; k++) chains[k] = chains[k] * x + y; \
        vec sum = chains[0]; \
        for (int k = 1; k < PEAK_CHAINS; k++) sum += chains[k]; \
        return (double)sum[0]; \
    }
PEAK_LOOP(float, vf32, f32)
PEAK_LOOP(double, vf64, f64)
#undef PEAK_LOOP

#endif
