/* Products of matrices that lie in the processor's cache, in vectors of LANES numbers; versions.h tells of which. */

typedef float NAME(floats) __attribute__((vector_size(4 * LANES)));
typedef int32_t NAME(ints) __attribute__((vector_size(4 * LANES)));
#define V NAME(floats)
#define INNER TARGET INLINE

INNER V NAME(load)(const float *from) {
    V value;
    memcpy(&value, from, sizeof value);
    return value;
}

/* LANES numbers at most, zeros after them. */
INNER V NAME(load_some)(const float *from, int64_t count) {
    if (count >= LANES) return NAME(load)(from);
    V value = {0};
    memcpy(&value, from, 4 * count);
    return value;
}

INNER void NAME(store_some)(float *to, V value, int64_t count) {
    if (count >= LANES) memcpy(to, &value, sizeof value);
    else memcpy(to, &value, 4 * count);
}

/* Where `sign` isn't positive, times the slope. */
INNER V NAME(leaked)(V value, V sign, float slope) {
    NAME(ints) on = sign > 0.0f, some = (NAME(ints))value, less = (NAME(ints))(value * slope);
    return (V)((some & on) | (less & ~on));
}

/* Sums over `depth` of each row's numbers, which lie `step` from each other, times as many pairs of vectors, which lie
 * `across` from each other. */
INNER void NAME(tile)(const float *const rows[ROWS], int64_t step, const float *other, int64_t across, int64_t depth,
                      V sums[ROWS][VECTORS]) {
    /* Each in a variable of its own: an array would not stay in registers. */
    const float *r0 = rows[0], *r1 = rows[1], *r2 = rows[2], *r3 = rows[3], *r4 = rows[4], *r5 = rows[5];
    V s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0}, s4 = {0}, s5 = {0}, t0 = {0}, t1 = {0}, t2 = {0}, t3 = {0}, t4 = {0}, t5 = {0};
    for (int64_t at = 0; at < depth; at++, other += across) {
        V v = NAME(load)(other), w = NAME(load)(other + LANES);
        s0 += v * r0[at * step], t0 += w * r0[at * step];
        s1 += v * r1[at * step], t1 += w * r1[at * step];
        s2 += v * r2[at * step], t2 += w * r2[at * step];
        s3 += v * r3[at * step], t3 += w * r3[at * step];
        s4 += v * r4[at * step], t4 += w * r4[at * step];
        s5 += v * r5[at * step], t5 += w * r5[at * step];
    }
    sums[0][0] = s0, sums[1][0] = s1, sums[2][0] = s2, sums[3][0] = s3, sums[4][0] = s4, sums[5][0] = s5;
    sums[0][1] = t0, sums[1][1] = t1, sums[2][1] = t2, sums[3][1] = t3, sums[4][1] = t4, sums[5][1] = t5;
}

INNER int64_t NAME(padded)(int64_t numbers) { return (numbers + PANEL - 1) / PANEL * PANEL; }

/* A matrix of inputs x outputs, or with `turned` of outputs x inputs, in panels: of each all inputs, and of each of these
 * PANEL outputs, zeros beyond the last. */
TARGET static void NAME(pack)(const float *weight, int turned, int64_t inputs, int64_t outputs, float *panels) {
    int64_t per_input = turned ? 1 : outputs, per_output = turned ? inputs : 1;
    for (int64_t out = 0; out < outputs; out += PANEL)
        for (int64_t in = 0; in < inputs; in++, panels += PANEL)
            for (int64_t c = 0; c < PANEL; c++)
                panels[c] = out + c < outputs ? weight[in * per_input + (out + c) * per_output] : 0.0f;
}

/* Sums become outputs: `added` and `bias` are added, and with a slope below 1 they leak by their own or other signs. */
INNER void NAME(finish)(V sums[ROWS][VECTORS], int64_t rows, int64_t columns, int64_t per_row, const float *added,
                        const float *bias, const float *signs, int leaks, float slope, float *y) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t v = 0; v < VECTORS && v * LANES < columns; v++) {
            int64_t at = r * per_row + v * LANES, count = columns - v * LANES;
            V value = sums[r][v];
            if (added) value += NAME(load_some)(added + at, count);
            if (bias) value += NAME(load_some)(bias + v * LANES, count);
            if (leaks) value = NAME(leaked)(value, signs ? NAME(load_some)(signs + at, count) : value, slope);
            NAME(store_some)(y + at, value, count);
        }
}

/* y = x weight, finished; rows x inputs and, in panels, inputs x outputs. */
INNER void NAME(multiply)(const float *x, int64_t rows, int64_t inputs, const float *panels, int64_t outputs,
                          const float *added, const float *bias, const float *signs, int leaks, float slope, float *y) {
    for (int64_t out = 0; out < outputs; out += PANEL, panels += PANEL * inputs)
        for (int64_t row = 0; row < rows; row += ROWS) {
            const float *from[ROWS];
            V sums[ROWS][VECTORS];
            int64_t many = SMALLER(ROWS, rows - row), columns = outputs - out, at = row * outputs + out;
            for (int r = 0; r < ROWS; r++) from[r] = x + SMALLER(row + r, rows - 1) * inputs;
            NAME(tile)(from, 1, panels, PANEL, inputs, sums);
            const float *more = added ? added + at : 0, *offset = bias ? bias + out : 0, *other = signs ? signs + at : 0;
            if (many == ROWS && columns >= PANEL) /* known numbers leave no loop: a third of a small layer's time */
                NAME(finish)(sums, ROWS, PANEL, outputs, more, offset, other, leaks, slope, y + at);
            else NAME(finish)(sums, many, columns, outputs, more, offset, other, leaks, slope, y + at);
        }
}

/* y = x weight. */
TARGET static void NAME(plain)(const float *x, int64_t rows, int64_t inputs, const float *panels, int64_t outputs,
                               float *y) {
    NAME(multiply)(x, rows, inputs, panels, outputs, 0, 0, 0, 0, 1.0f, y);
}

/* y = x weight + added. */
TARGET static void NAME(plain_with)(const float *x, int64_t rows, int64_t inputs, const float *panels, int64_t outputs,
                                    const float *added, float *y) {
    NAME(multiply)(x, rows, inputs, panels, outputs, added, 0, 0, 0, 1.0f, y);
}

/* A leaky ReLU of x weight + bias. */
TARGET static void NAME(leaky)(const float *x, int64_t rows, int64_t inputs, const float *panels, int64_t outputs,
                               const float *bias, float slope, float *y) {
    NAME(multiply)(x, rows, inputs, panels, outputs, 0, bias, 0, 1, slope, y);
}

/* The same of x weight + added + bias. */
TARGET static void NAME(leaky_with)(const float *x, int64_t rows, int64_t inputs, const float *panels, int64_t outputs,
                                    const float *added, const float *bias, float slope, float *y) {
    NAME(multiply)(x, rows, inputs, panels, outputs, added, bias, 0, 1, slope, y);
}

/* x weight, times the slope where `signs` aren't positive. */
TARGET static void NAME(masked)(const float *x, int64_t rows, int64_t inputs, const float *panels, int64_t outputs,
                                const float *signs, float slope, float *y) {
    NAME(multiply)(x, rows, inputs, panels, outputs, 0, 0, signs, 1, slope, y);
}

/* The same of x weight + added, and with a bias. */
TARGET static void NAME(masked_with)(const float *x, int64_t rows, int64_t inputs, const float *panels, int64_t outputs,
                                     const float *added, const float *bias, const float *signs, float slope, float *y) {
    NAME(multiply)(x, rows, inputs, panels, outputs, added, bias, signs, 1, slope, y);
}

/* Numbers times the slope where `signs` aren't positive. */
TARGET static void NAME(mask)(const float *from, const float *signs, int64_t count, float slope, float *to) {
    for (int64_t at = 0; at < count; at++) to[at] = signs[at] > 0.0f ? from[at] : from[at] * slope;
}

/* x^T y, summed over rows, is added to `total`; rows x inputs and rows x outputs. With `half`, what lies a panel or more
 * below the diagonal is left out. */
INNER void NAME(sum_tiles)(const float *x, const float *y, int64_t rows, int64_t inputs, int64_t outputs, int half,
                           float *total) {
    float panel[TERMS * PANEL] __attribute__((aligned(64))) = {0};
    for (int64_t row = 0; row < rows; row += TERMS)
        for (int64_t out = 0; out < outputs; out += PANEL) {
            int64_t terms = SMALLER(TERMS, rows - row), columns = SMALLER(PANEL, outputs - out), across = outputs;
            const float *others = y + row * outputs + out;
            /* Side by side: rows far apart push each other out of the first cache. Of few columns the rest is left out. */
            if (inputs > 4 * ROWS || columns < PANEL) {
                for (int64_t r = 0; r < terms; r++)
                    for (int v = 0; v < VECTORS && v * LANES < columns; v++)
                        NAME(store_some)(panel + r * PANEL + v * LANES,
                                         NAME(load_some)(others + r * outputs + v * LANES, columns - v * LANES), LANES);
                others = panel, across = PANEL;
            }
            for (int64_t in = 0; in < (half ? SMALLER(inputs, out + PANEL) : inputs); in += ROWS) {
                const float *from[ROWS];
                V sums[ROWS][VECTORS];
                int64_t many = SMALLER(ROWS, inputs - in);
                for (int r = 0; r < ROWS; r++) from[r] = x + row * inputs + SMALLER(in + r, inputs - 1);
                NAME(tile)(from, inputs, others, across, terms, sums);
                float *to = total + in * outputs + out;
                if (many == ROWS && columns == PANEL) NAME(finish)(sums, ROWS, PANEL, outputs, to, 0, 0, 0, 1.0f, to);
                else NAME(finish)(sums, many, columns, outputs, to, 0, 0, 0, 1.0f, to);
            }
        }
}

TARGET static void NAME(sum_products)(const float *x, const float *y, int64_t rows, int64_t inputs, int64_t outputs,
                                      float *total) {
    NAME(sum_tiles)(x, y, rows, inputs, outputs, 0, total);
}

/* The same of x and x, whose products are the same on both sides of the diagonal: on and above it. */
TARGET static void NAME(sum_squares)(const float *x, int64_t rows, int64_t inputs, float *total) {
    NAME(sum_tiles)(x, x, rows, inputs, inputs, 1, total);
}

/* The same of y alone. */
TARGET static void NAME(sum_rows)(const float *y, int64_t rows, int64_t outputs, float *total) {
    for (int64_t out = 0; out < outputs; out += LANES) {
        V sum = {0};
        for (int64_t row = 0; row < rows; row++) sum += NAME(load_some)(y + row * outputs + out, outputs - out);
        NAME(store_some)(total + out, NAME(load_some)(total + out, outputs - out) + sum, outputs - out);
    }
}
