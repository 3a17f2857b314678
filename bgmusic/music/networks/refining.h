/* Rolls of one track and bar, images, through a residual unit's convolutions. Included after tiles.h, for the same
 * processors. */

/* Room for an image of gradients or sums, and for the windows of a step, what becomes of them, and their gradients. */
struct NAME(desk) {
    float *first, *second, *first_turned, *second_turned, *seconds; /* a track's weights in panels */
    float *image, *windows, *hidden, *of_hidden, *of_windows;
};

TARGET static int64_t NAME(furnish)(const struct refining *u, float *space, struct NAME(desk) *d) {
    float *begin = space;
    int64_t size = window_of(u), cells = u->pitches;
    int64_t there = size * NAME(padded)(u->channels), back = u->channels * NAME(padded)(size);
    int64_t numbers[] = {there, there, back, back, size * NAME(padded)(size), image_of(u),
                         cells * size, cells * u->channels, cells * u->channels, cells * size};
    float **each[] = {&d->first, &d->second, &d->first_turned, &d->second_turned, &d->seconds,
                      &d->image, &d->windows, &d->hidden, &d->of_hidden, &d->of_windows};
    for (int i = 0; i < 10; i++) *each[i] = space, space += (numbers[i] + LINE - 1) / LINE * LINE;
    return space - begin;
}

/* What the kernel sees at each cell of a step: cells x planes x high x wide. */
INNER void NAME(cut_windows)(const float *image, int64_t cells, int64_t per_step, int64_t planes, int64_t high,
                             int64_t wide, float *windows) {
    for (int64_t cell = 0; cell < cells; cell++)
        for (int64_t plane = 0; plane < planes; plane++)
            for (int64_t step = 0; step < high; step++)
                for (int64_t pitch = 0; pitch < wide; pitch++)
                    *windows++ = image[step * per_step + (cell + pitch) * planes + plane];
}

/* The way back: windows are added to where they were cut. */
INNER void NAME(add_windows)(const float *windows, int64_t cells, int64_t per_step, int64_t planes, int64_t high,
                             int64_t wide, float *image) {
    for (int64_t cell = 0; cell < cells; cell++)
        for (int64_t plane = 0; plane < planes; plane++)
            for (int64_t step = 0; step < high; step++)
                for (int64_t pitch = 0; pitch < wide; pitch++)
                    image[step * per_step + (cell + pitch) * planes + plane] += *windows++;
}

/* Known numbers, those of the paper's kernel, make vectors of the loops. */
TARGET static void NAME(cut)(const struct refining *u, const float *image, int64_t step, float *windows) {
    int64_t per_step = (u->pitches + u->wide - 1) * u->planes;
    image += step * per_step;
    if (u->planes == 1 && u->high == 3 && u->wide == 12) NAME(cut_windows)(image, u->pitches, per_step, 1, 3, 12, windows);
    else NAME(cut_windows)(image, u->pitches, per_step, u->planes, u->high, u->wide, windows);
}

TARGET static void NAME(add)(const struct refining *u, const float *windows, int64_t step, float *image) {
    int64_t per_step = (u->pitches + u->wide - 1) * u->planes;
    image += step * per_step;
    if (u->planes == 1 && u->high == 3 && u->wide == 12) NAME(add_windows)(windows, u->pitches, per_step, 1, 3, 12, image);
    else NAME(add_windows)(windows, u->pitches, per_step, u->planes, u->high, u->wide, image);
}

/* Where a cell of planes x steps x pitches stands in an image that begins `down` steps and `right` pitches before it. */
INNER int64_t NAME(place)(const struct refining *u, int64_t plane, int64_t step, int64_t pitch) {
    return ((step + u->down) * (u->pitches + u->wide - 1) + pitch + u->right) * u->planes + plane;
}

/* Sums over all windows of their numbers and of the products of these. */
TARGET static void NAME(sum_windows)(const struct refining *u, const struct NAME(desk) *d, int64_t track,
                                     const float *image) {
    int64_t size = window_of(u);
    for (int64_t step = 0; step < u->steps; step++) {
        NAME(cut)(u, image, step, d->windows);
        NAME(sum_rows)(d->windows, u->pitches, size, u->firsts + track * size);
        NAME(sum_squares)(d->windows, u->pitches, size, u->seconds + track * size * size);
    }
}

/* And back: from gradients by these sums to one by the image. */
TARGET static void NAME(of_sums)(const struct refining *u, const struct NAME(desk) *d, int64_t track, const float *image,
                                 float *of_image) {
    int64_t size = window_of(u);
    for (int64_t step = 0; step < u->steps; step++) {
        NAME(cut)(u, image, step, d->windows);
        NAME(plain)(d->windows, u->pitches, size, d->seconds, size, d->of_windows);
        for (int64_t cell = 0; cell < u->pitches; cell++)
            for (int64_t i = 0; i < size; i++) d->of_windows[cell * size + i] += u->of_firsts[track * size + i];
        NAME(add)(u, d->of_windows, step, of_image);
    }
}

/* What all cells hand to those around them, through the hidden channels. */
TARGET static void NAME(refine)(const struct refining *u, const struct NAME(desk) *d, int64_t track, const float *image,
                                float *given) {
    int64_t size = window_of(u);
    memset(d->image, 0, sizeof(float) * image_of(u));
    for (int64_t step = 0; step < u->steps; step++) {
        NAME(cut)(u, image, step, d->windows);
        NAME(leaky)(d->windows, u->pitches, size, d->first, u->channels, u->bias + track * u->channels, 0.0f, d->hidden);
        NAME(plain)(d->hidden, u->pitches, u->channels, d->second_turned, size, d->of_windows);
        NAME(add)(u, d->of_windows, step, d->image);
    }
    for (int64_t plane = 0; plane < u->planes; plane++)
        for (int64_t step = 0; step < u->steps; step++)
            for (int64_t pitch = 0; pitch < u->pitches; pitch++) *given++ = d->image[NAME(place)(u, plane, step, pitch)];
}

/* And back: to gradients by the image, both layers' weights and the bias. */
TARGET static void NAME(refine_back)(const struct refining *u, const struct NAME(desk) *d, int64_t track,
                                     const float *image, const float *gradients, float *of_image) {
    int64_t size = window_of(u), weights = track * size * u->channels;
    memset(d->image, 0, sizeof(float) * image_of(u));
    for (int64_t plane = 0; plane < u->planes; plane++)
        for (int64_t step = 0; step < u->steps; step++)
            for (int64_t pitch = 0; pitch < u->pitches; pitch++) d->image[NAME(place)(u, plane, step, pitch)] = *gradients++;
    for (int64_t step = 0; step < u->steps; step++) {
        NAME(cut)(u, image, step, d->windows);
        NAME(leaky)(d->windows, u->pitches, size, d->first, u->channels, u->bias + track * u->channels, 0.0f, d->hidden);
        NAME(cut)(u, d->image, step, d->of_windows); /* by what each cell hands out */
        NAME(sum_products)(d->of_windows, d->hidden, u->pitches, size, u->channels, u->of_second + weights);
        NAME(masked)(d->of_windows, u->pitches, size, d->second, u->channels, d->hidden, 0.0f, d->of_hidden);
        NAME(sum_products)(d->windows, d->of_hidden, u->pitches, size, u->channels, u->of_weight + weights);
        NAME(sum_rows)(d->of_hidden, u->pitches, u->channels, u->of_bias + track * u->channels);
        NAME(plain)(d->of_hidden, u->pitches, u->channels, d->first_turned, size, d->of_windows);
        NAME(add)(u, d->of_windows, step, of_image);
    }
}

TARGET static int64_t NAME(space)(const struct refining *u) {
    struct NAME(desk) desk;
    return NAME(furnish)(u, 0, &desk);
}

TARGET static void NAME(pass)(const struct refining *u) {
    struct NAME(desk) desk;
    int64_t size = window_of(u), cells = u->planes * u->steps * u->pitches;
    NAME(furnish)(u, u->space, &desk);
    for (int64_t track = 0; track < u->tracks; track++) {
        if (u->weight) {
            const float *first = u->weight + track * size * u->channels, *second = u->second + track * size * u->channels;
            NAME(pack)(first, 0, size, u->channels, desk.first);
            NAME(pack)(first, 1, u->channels, size, desk.first_turned);
            NAME(pack)(second, 0, size, u->channels, desk.second);
            NAME(pack)(second, 1, u->channels, size, desk.second_turned);
        }
        if (u->of_seconds) NAME(pack)(u->of_seconds + track * size * size, 0, size, size, desk.seconds);
        for (int64_t at = track * u->count + u->begin; at < track * u->count + u->end; at++) {
            const float *image = u->images + at * image_of(u);
            float *of_image = u->of_images ? u->of_images + at * image_of(u) : 0;
            if (of_image) memset(of_image, 0, sizeof(float) * image_of(u));
            if (u->firsts) NAME(sum_windows)(u, &desk, track, image);
            else if (u->of_firsts) NAME(of_sums)(u, &desk, track, image, of_image);
            else if (u->given) NAME(refine)(u, &desk, track, image, u->given + at * cells);
            else NAME(refine_back)(u, &desk, track, image, u->gradients + at * cells, of_image);
        }
    }
}
