/* ReLU and weighted sum of the channels that lie in the processor's cache, and the way back, each in one pass. Built by
 * hatch_build.py, called by merging.py through ctypes; bgmusic runs without it, slower. C11 that compilers vectorise. */

#include <stdint.h>
#include <string.h>

#include "../../processors.h"

/* Raised whenever a signature below changes: an older build is then not used. */
#define VERSION 1

enum { WORD = 32 }; /* channels whose signs one word keeps */

int32_t bgmusic_merging_version(void) { return VERSION; }

/* LANES numbers side by side; compilers of every processor know them. */
enum { LANES = 8 };
typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));

#if defined(__clang__) || (defined(__GNUC__) && __GNUC__ >= 12)
#define REORDERED(x, ...) __builtin_shufflevector(x, x, __VA_ARGS__)
#else /* an older GCC */
#define REORDERED(x, ...) __builtin_shuffle(x, (Ints){__VA_ARGS__})
#endif

/* The sum of relu(value + bias) merge over `many` channels, and as bits which of them are positive. */
INLINE float word_merged(const float *values, const float *bias, const float *merge, int many, uint32_t *signs) {
    uint32_t word = 0;
    float sum = 0.0f;
    if (many % LANES == 0) {
        Floats sums = {0};
        Ints bits = {0}, bit = {1, 2, 4, 8, 16, 32, 64, 128};
        for (int c = 0; c < many; c += LANES, bit <<= LANES) {
            Floats v, b, m;
            memcpy(&v, values + c, sizeof v), memcpy(&b, bias + c, sizeof b), memcpy(&m, merge + c, sizeof m);
            v += b;
            Ints on = ~(v <= 0.0f); /* what is no number stays none */
            sums += (Floats)((Ints)v & on) * m;
            bits |= on & bit;
        }
        sums += REORDERED(sums, 4, 5, 6, 7, 0, 1, 2, 3);
        bits |= REORDERED(bits, 4, 5, 6, 7, 0, 1, 2, 3);
        sums += REORDERED(sums, 2, 3, 0, 1, 2, 3, 0, 1);
        bits |= REORDERED(bits, 2, 3, 0, 1, 2, 3, 0, 1);
        sum = sums[0] + sums[1];
        word = (uint32_t)(bits[0] | bits[1]);
    } else
        for (int c = 0; c < many; c++) {
            float value = values[c] + bias[c];
            if (!(value <= 0.0f)) word |= (uint32_t)1 << c, sum += value * merge[c];
        }
    *signs = word;
    return sum;
}

/* tracks x rows x taps x channels values to sums and signs. Bias is tracks x taps x channels, merge tracks x channels;
 * from one track's first sum to the next one's are `stride` (they are rows of a larger tensor), and as many words. */
EACH_PROCESSOR
void bgmusic_merge(const float *values, const float *bias, const float *merge, int64_t tracks, int64_t rows, int64_t taps,
                   int64_t channels, float *sums, uint32_t *signs, int64_t stride) {
    int64_t words = (channels + WORD - 1) / WORD;
    for (int64_t track = 0; track < tracks; track++, bias += taps * channels, merge += channels)
        for (int64_t at = 0; at < rows * taps; at++, values += channels) {
            const float *biases = bias + at % taps * channels;
            uint32_t *bits = signs + (track * stride + at) * words;
            float sum = 0.0f;
            for (int64_t word = 0, c = 0; word < words; word++, c += WORD)
                if (channels - c >= WORD) sum += word_merged(values + c, biases + c, merge + c, WORD, bits + word);
                else sum += word_merged(values + c, biases + c, merge + c, (int)(channels - c), bits + word);
            sums[track * stride + at] = sum;
        }
}

INLINE void word_spread(float gradient, uint32_t signs, int many, float *spread, float *total) {
    for (int c = 0; c < many; c++) {
        float value = signs >> c & 1 ? gradient : 0.0f;
        spread[c] = value;
        total[c] += value;
    }
}

/* Back from sums to channels: each sum's gradient at the channels that were positive, 0 at the others. What tracks x
 * taps x channels of these come to is added to totals. */
EACH_PROCESSOR
void bgmusic_spread(const float *gradients, const uint32_t *signs, int64_t stride, int64_t tracks, int64_t rows,
                    int64_t taps, int64_t channels, float *spread, float *totals) {
    int64_t words = (channels + WORD - 1) / WORD;
    for (int64_t track = 0; track < tracks; track++, totals += taps * channels)
        for (int64_t at = 0; at < rows * taps; at++, spread += channels) {
            const uint32_t *bits = signs + (track * stride + at) * words;
            float gradient = gradients[track * stride + at], *total = totals + at % taps * channels;
            for (int64_t word = 0, c = 0; word < words; word++, c += WORD)
                if (channels - c >= WORD) word_spread(gradient, bits[word], WORD, spread + c, total + c);
                else word_spread(gradient, bits[word], (int)(channels - c), spread + c, total + c);
        }
}
