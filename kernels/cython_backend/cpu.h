/* The x86-64 level of this processor: 1 to 4 as the System V ABI numbers them, 0 on any other architecture.
 *
 * CPUID says what the processor has, XGETBV which registers the operating system saves at a context switch; a level
 * counts only if both agree (a hypervisor may show AVX and not save it). */
#ifndef FASTNN_CPU_H
#define FASTNN_CPU_H

#if defined(__x86_64__)

#include <cpuid.h>
#include <stdint.h>

static int has(unsigned reg, unsigned bits) { return (reg & bits) == bits; }
#define BIT(n) (1u << (n))

static int x86_64_level(void) {
    unsigned a, b, c1 = 0, d, b7 = 0, c7, c81 = 0;
    if (!__get_cpuid(1, &a, &b, &c1, &d)) return 1;
    if (!__get_cpuid_count(7, 0, &a, &b7, &c7, &d)) b7 = 0;
    if (!__get_cpuid(0x80000001u, &a, &b, &c81, &d)) c81 = 0;
    uint32_t saved = 0, high;
    if (has(c1, BIT(27)))                                               /* OSXSAVE: XGETBV may be asked */
        __asm__ volatile(".byte 0x0f, 0x01, 0xd0" : "=a"(saved), "=d"(high) : "c"(0));

    /* SSE3, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, POPCNT; LAHF/SAHF in 64-bit mode */
    if (!has(c1, BIT(0) | BIT(9) | BIT(13) | BIT(19) | BIT(20) | BIT(23)) || !has(c81, BIT(0))) return 1;
    /* FMA, MOVBE, AVX, F16C; BMI1, AVX2, BMI2; LZCNT; xmm and ymm saved */
    if (!has(c1, BIT(12) | BIT(22) | BIT(28) | BIT(29)) || !has(b7, BIT(3) | BIT(5) | BIT(8)) || !has(c81, BIT(5))
        || !has(saved, 0x06))
        return 2;
    /* AVX-512 F, DQ, CD, BW, VL; opmask and both parts of zmm saved as well */
    if (!has(b7, BIT(16) | BIT(17) | BIT(28) | BIT(30) | BIT(31)) || !has(saved, 0xe6)) return 3;
    return 4;
}

#undef BIT

#else

static int x86_64_level(void) { return 0; }

#endif
#endif
