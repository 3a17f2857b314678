/* The refiner's residual units, a step of a roll at a time: what a cell sees, 36 numbers, and its 64 channels are never in
 * memory for more than a step's cells. Built by hatch_build.py, called by refining.py through ctypes; bgmusic runs without
 * it, slower. */

#include <stdint.h>

/* Raised whenever the structure below changes: an older build is then not used. */
#define VERSION 1

/* Images, tracks x count x (steps + high - 1) x (pitches + wide - 1) x planes, are rolls with zeros around them; a window
 * is planes x high x wide numbers of one. Which pointers aren't null tells what is done:
 * - `firsts`: sums over all windows of their numbers and, in `seconds`, of the products of these, on
 *   and above the diagonal;
 * - `of_firsts` and `of_seconds` (both orders of a product together), gradients by these: those by the images;
 * - `given`, tracks x count x planes x steps x pitches: relu(window weight + bias), channels, times `second`, whose product
 *   each cell hands to the cells around it; the sum of that, mirrored, from `down` and `right` on;
 * - `gradients` by that: those by the images, and, added to what stands there, by weight, bias and second.
 * Weights are tracks x windows' numbers x channels. */
struct refining {
    const float *images, *weight, *bias, *second, *gradients, *of_firsts, *of_seconds;
    float *given, *firsts, *seconds, *of_images, *of_weight, *of_bias, *of_second, *space;
    int64_t tracks, count, begin, end, steps, pitches, planes, high, wide, down, right, channels;
};

static int64_t window_of(const struct refining *u) { return u->planes * u->high * u->wide; }

static int64_t image_of(const struct refining *u) {
    return (u->steps + u->high - 1) * (u->pitches + u->wide - 1) * u->planes;
}

#define BODY "refining.h"
#include "versions.h"

EXPORT(refining, refining)
