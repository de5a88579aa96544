/* The optimizers' rules, and norm and scaling of gradients, by blocks; float32 and float64. */
#ifndef FASTNN_RULES_H
#define FASTNN_RULES_H

#include <math.h>
#include <stddef.h>

/* The order of RULE_NUMBERS in rules.pxi. */
enum { RMSPROP, ADAGRAD, ADADELTA, ADAMAX, NADAM, RADAM, LION, NORM_1, NORM_2, NORM_MAX, SCALE };

static inline float root_f32(float x) { return sqrtf(x); }
static inline double root_f64(double x) { return sqrt(x); }

#define REAL float
#define NAME(stem) stem##_f32
#include "rules_body.h"
#undef REAL
#undef NAME

#define REAL double
#define NAME(stem) stem##_f64
#include "rules_body.h"
#undef REAL
#undef NAME

#endif
