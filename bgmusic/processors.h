/* What the kernels in C share. */

#ifndef BGMUSIC_PROCESSORS_H
#define BGMUSIC_PROCESSORS_H

/* One build serves processors old and new, where the loader can choose between versions of a function. */
#if defined(__x86_64__) && defined(__linux__) && !defined(BGMUSIC_ONE_VERSION)
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#define AVX2 "arch=x86-64-v3" /* fuses multiplication and addition too: a fifth of a decision's time */
#else
#define AVX2 "avx2"
#endif
#define EACH_PROCESSOR __attribute__((target_clones("avx512f", AVX2, "default")))
#else
#define EACH_PROCESSOR
#endif

#define INLINE static inline __attribute__((always_inline))

#endif
