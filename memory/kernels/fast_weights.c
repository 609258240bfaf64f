/* Sparse fast weights on a CPU: the recurrence of delta_rule.py, one head of one row at a time.
 *
 * A head's fast weights stay in the cache while the kernel walks through its steps, and every step
 * touches the addressed slots only (all of them where it decays). Letters as in delta_rule.py.
 *
 * Compiled for one REAL (float or double), KEY and VALUE: inner loops whose length the compiler
 * knows take half the time. The other sizes are arguments. NaN and infinity pass through.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <tgmath.h>

#define BLOCK (KEY * VALUE)

#define INLINE inline __attribute__((always_inline))

typedef REAL real;

/* What the slow weights generate, (B, T, H, ...). A step of one head has `width` numbers: key,
 * query, value, the logits of both addresses (if there is more than one slot), rate, decay. Where an
 * activation function comes next, its values are given beside: */
typedef struct {
    int64_t length, heads, width, slots, top_k, additive, straight_through;
    int64_t columns;        /* of the grid of slots of a product address; 0: each slot has a logit */
    const real *made;
    const real *activated;  /* (B, T, H, 2, KEY) key and query, not yet normalised */
    const real *rate;       /* (B, T, H) beta */
    const real *decay;      /* (B, T, H) gamma; NULL keeps everything */
    const uint8_t *starts;  /* (B, T); NULL if there are none */
    const real *initial;    /* (H, G, KEY, VALUE) */
    int64_t *slot;          /* (B, T, H, 2, K) numbers of the addressed slots, made by `forward` */
    real *strength;         /* (B, T, H, 2, K) how strongly, likewise */
} Writes;

/* One write [0] and one read [1]. */
typedef struct {
    real key[2][KEY], norm[2];
    const int64_t *slot[2];  /* K */
    const real *strength[2]; /* K */
} Access;

static const real EPSILON = 1e-12; /* of torch.nn.functional.normalize */

static INLINE void normalise(const real *activated, Access *to, int which) {
    real square = 0;
    for (int i = 0; i < KEY; i++) square += activated[i] * activated[i];
    real norm = sqrt(square);
    to->norm[which] = norm < EPSILON ? EPSILON : norm;
    real scale = 1 / to->norm[which];
    for (int i = 0; i < KEY; i++) to->key[which][i] = activated[i] * scale;
}

/* An integer as wide as a real, so that vectors hold as many. */
typedef __typeof__(_Generic((real)0, float: (int32_t)0, default: (int64_t)0)) integer;

/* The K largest of at most `width` logits, the largest first, unless two of them are equal: a logit's
 * place is the number of those above it. No branch depends on a logit: none of these could be foreseen,
 * and each that is mistaken costs as much as a dozen steps of a loop. */
static INLINE int choose_by_counting(const real *logits, int64_t slots, int64_t top_k, int width,
                                     int64_t *slot) {
    real padded[width];
    integer above[width];
    for (int g = 0; g < width; g++) above[g] = 0, padded[g] = g < slots ? logits[g] : -INFINITY;
    for (int64_t other = 0; other < slots; other++)
        for (int g = 0; g < width; g++) above[g] += logits[other] > padded[g];
    for (integer place = 0; place < top_k; place++) {
        integer found = 0, sum = 0;
        for (int g = 0; g < width; g++) {
            integer here = above[g] == place;
            found += here;
            sum += here * g;
        }
        if (found != 1) return 0; /* equal ones share a place, as NaN does with the largest */
        slot[place] = sum;
    }
    return 1;
}

/* A slot's logit; in a grid the sum of its row's and its column's, which follow those of the rows. */
static INLINE real logit(const real *logits, int64_t rows, int64_t columns, int64_t slot) {
    return columns ? logits[slot / columns] + logits[rows + slot % columns] : logits[slot];
}

/* Put a slot where its logit belongs among the largest found so far, K at most; returns how many. */
static INLINE int64_t insert(const real *logits, int64_t rows, int64_t columns, int64_t next,
                             int64_t found, int64_t top_k, int64_t *slot) {
    real own = logit(logits, rows, columns, next);
    int64_t place = found;
    if (found == top_k && !(own > logit(logits, rows, columns, slot[--place]))) return found;
    for (; place > 0 && own > logit(logits, rows, columns, slot[place - 1]); place--)
        slot[place] = slot[place - 1];
    slot[place] = next;
    return found < top_k ? found + 1 : found;
}

/* The K largest logits, the largest first; of equal ones the first. NaN leaves valid numbers. */
static INLINE void choose(const real *logits, int64_t slots, int64_t top_k, int64_t *slot) {
    if (slots <= 8 && choose_by_counting(logits, slots, top_k, 8, slot)) return;
    if (slots > 8 && slots <= 32 && choose_by_counting(logits, slots, top_k, 32, slot)) return;
    int64_t found = 0;
    for (int64_t g = 0; g < slots; g++) found = insert(logits, slots, 0, g, found, top_k, slot);
}

/* Rows of the grid; without one, the slots themselves. */
static INLINE int64_t num_rows(const Writes *w) {
    return w->columns ? w->slots / w->columns : w->slots;
}

static INLINE int64_t row_of(const Writes *w, int64_t slot) {
    return w->columns ? slot / w->columns : slot;
}

/* Where a slot's column has its logit, behind those of the rows. */
static INLINE int64_t column_of(const Writes *w, int64_t slot) {
    return num_rows(w) + slot % w->columns;
}

/* The same in a grid: all are where the K largest rows and columns meet, in `spare` (2, K). */
static INLINE void choose_in_grid(const real *logits, const Writes *w, int64_t *slot,
                                  int64_t *spare) {
    int64_t rows = num_rows(w), found = 0, *row = spare, *column = spare + w->top_k;
    int64_t some_rows = rows < w->top_k ? rows : w->top_k;
    int64_t some_columns = w->columns < w->top_k ? w->columns : w->top_k;
    choose(logits, rows, some_rows, row);
    choose(logits + rows, w->columns, some_columns, column);
    for (int64_t i = 0; i < some_rows; i++)
        for (int64_t j = 0; j < some_columns; j++) {
            /* Rows above and columns to the left are as large: i j + i + j slots come first. */
            if ((i + 1) * (j + 1) > w->top_k) break;
            int64_t next = row[i] * w->columns + column[j];
            found = insert(logits, rows, w->columns, next, found, w->top_k, slot);
        }
}

/* Fill in the `i`-th address. */
static INLINE void address(const Writes *w, const real *logits, int64_t i, int64_t *spare) {
    int64_t *slot = w->slot + i * w->top_k;
    real *strength = w->strength + i * w->top_k;
    slot[0] = 0;
    strength[0] = 1;
    if (w->slots == 1) return; /* nothing to choose, and no logits */
    if (w->columns)
        choose_in_grid(logits, w, slot, spare);
    else
        choose(logits, w->slots, w->top_k, slot);
    int64_t rows = num_rows(w);
    real square = 1, largest = logit(logits, rows, w->columns, slot[0]);
    for (int64_t c = 1; c < w->top_k; c++) {
        real below = logit(logits, rows, w->columns, slot[c]) - largest;
        strength[c] = w->straight_through ? 1 : exp(below);
        square += strength[c] * strength[c];
    }
    real length = sqrt(square);
    for (int64_t c = 0; c < w->top_k; c++) strength[c] /= length;
    strength[0] += largest - largest; /* NaN for what is not finite */
}

static int64_t value_at(const Writes *w, int64_t step) { return step * w->width + 2 * KEY; }

static int64_t logits_at(const Writes *w, int64_t step, int which) {
    return value_at(w, step) + VALUE + which * (num_rows(w) + w->columns);
}

/* Ask for memory that the next step of this head will need: the other heads' lies between. */
static INLINE void soon(const real *first, int64_t count) {
    for (int64_t i = 0; i < count; i += 64 / sizeof(real)) __builtin_prefetch(first + i);
}

static INLINE void decode(const Writes *w, int64_t step, Access *to) {
    soon(w->activated + 2 * (step + w->heads) * KEY, 2 * KEY);
    for (int which = 0; which < 2; which++) {
        normalise(w->activated + (2 * step + which) * KEY, to, which);
        to->slot[which] = w->slot + (2 * step + which) * w->top_k;
        to->strength[which] = w->strength + (2 * step + which) * w->top_k;
    }
}

static INLINE void begin(const Writes *w, int64_t row, int64_t t, int64_t step, real *restrict weights) {
    int64_t size = w->slots * BLOCK, batch = row / w->heads;
    const real *restrict initial = w->initial + row % w->heads * size;
    if (w->starts && w->starts[batch * w->length + t])
        memcpy(weights, initial, size * sizeof(real));
    else if (w->decay) {
        real gamma = w->decay[step];
        for (int64_t i = 0; i < size; i++)
            weights[i] = initial[i] + gamma * (weights[i] - initial[i]);
    }
}

/* out[j] += scale sum_ci a_c k_i weights[c][i][j] */
static INLINE void product(const Access *by, int which, int64_t top_k, const real *weights, real scale,
                    real *restrict out) {
    for (int64_t c = 0; c < top_k; c++) {
        const real *restrict block = weights + by->slot[which][c] * BLOCK;
        real strength = scale * by->strength[which][c];
        for (int i = 0; i < KEY; i++) {
            real joint = strength * by->key[which][i];
            for (int j = 0; j < VALUE; j++) out[j] += joint * block[i * VALUE + j];
        }
    }
}

/* weights[c][i][j] += scale a_c k_i by[j] */
static INLINE void add_outer(const Access *at, int which, int64_t top_k, real *weights, real scale,
                      const real *restrict by) {
    for (int64_t c = 0; c < top_k; c++) {
        real *restrict block = weights + at->slot[which][c] * BLOCK;
        real strength = scale * at->strength[which][c];
        for (int i = 0; i < KEY; i++) {
            real joint = strength * at->key[which][i];
            for (int j = 0; j < VALUE; j++) block[i * VALUE + j] += joint * by[j];
        }
    }
}

static int64_t step_of(const Writes *w, int64_t row, int64_t t) {
    return (row / w->heads * w->length + t) * w->heads + row % w->heads;
}

/* Write, then read, for the rows (of B H) from `first` to before `last`.
 *
 * weights: (B, H, G, KEY, VALUE), before the first step; overwritten by those after the last.
 * out: (B, T, H, 2, VALUE), what was read and the errors.
 * saved: (B, H, ceil(T / PIECE), G, KEY, VALUE), the weights before every so many steps; or NULL.
 * spare: (2, K), work space.
 */
void forward(const Writes *w, real *all_weights, real *out, real *saved, int64_t *spare,
             int64_t first, int64_t last) {
    int64_t size = w->slots * BLOCK, pieces = (w->length + PIECE - 1) / PIECE;
    int64_t end = last * w->length;
    Access access[PIECE];
    for (int64_t from = first * w->length; from < end; from += PIECE) {
        int64_t to = from + PIECE < end ? from + PIECE : end;
        /* All addresses first, so that slots can be on their way while others are worked on. */
        for (int64_t i = from; i < to; i++) {
            int64_t step = step_of(w, i / w->length, i % w->length);
            Access *next = &access[i - from];
            soon(w->made + (step + w->heads) * w->width, w->width);
            decode(w, step, next);
            for (int64_t which = 0; which < 2; which++)
                address(w, w->made + logits_at(w, step, which), 2 * step + which, spare);
            if (w->length == 1) /* else they are near already */
                for (int64_t c = 0; c < 2 * w->top_k; c++)
                    soon(all_weights + i * size + next->slot[0][c] * BLOCK, BLOCK);
        }
        for (int64_t i = from; i < to; i++) {
            int64_t row = i / w->length, t = i % w->length, step = step_of(w, row, t);
            const Access *now = &access[i - from];
            real *weights = all_weights + row * size, error[VALUE], read[VALUE] = {0};
            if (saved && t % PIECE == 0)
                memcpy(saved + (row * pieces + t / PIECE) * size, weights, size * sizeof(real));
            begin(w, row, t, step, weights);
            memcpy(error, w->made + value_at(w, step), sizeof(error));
            if (!w->additive) product(now, 0, w->top_k, weights, -1, error);
            add_outer(now, 0, w->top_k, weights, w->rate[step], error);
            product(now, 1, w->top_k, weights, 1, read);
            memcpy(out + 2 * step * VALUE, read, sizeof(read));
            memcpy(out + (2 * step + 1) * VALUE, error, sizeof(error));
        }
    }
}

/* Gradients of the members of Writes; `made`, `decay` and `initial` are zero before. */
typedef struct {
    real *made, *activated, *rate, *decay;
    real *initial; /* (B, H, G, KEY, VALUE), to be summed over B */
} Gradients;

/* Through x / |x|. */
static INLINE void through_normalise(const real *key, real norm, const real *d_key, real *d_activated) {
    real along = 0;
    if (norm > EPSILON)
        for (int i = 0; i < KEY; i++) along += key[i] * d_key[i];
    for (int i = 0; i < KEY; i++) d_activated[i] = (d_key[i] - along * key[i]) / norm;
}

static INLINE void add_to_logit(const Writes *w, real *d_logits, int64_t slot, real by) {
    d_logits[row_of(w, slot)] += by;
    if (w->columns) d_logits[column_of(w, slot)] += by;
}

static INLINE void softmax(const real *logits, int64_t count, int64_t largest, real *to) {
    real total = 0;
    for (int64_t g = 0; g < count; g++) total += to[g] = exp(logits[g] - logits[largest]);
    for (int64_t g = 0; g < count; g++) to[g] /= total;
}

/* Through the address to its logits, whose gradients are zero before: that of the chosen slots, or
 * their share p of all, the product of their row's and column's shares in a grid. */
static INLINE void through_address(const real *logits, const Writes *w, const int64_t *slot,
                                   const real *strength, real *d_strength, real *d_logits) {
    real along = 0;
    if (!w->straight_through) {
        for (int64_t c = 0; c < w->top_k; c++) along += strength[c] * d_strength[c];
        for (int64_t c = 0; c < w->top_k; c++)
            add_to_logit(w, d_logits, slot[c], strength[c] * (d_strength[c] - along * strength[c]));
        return;
    }
    int64_t rows = num_rows(w);
    softmax(logits, rows, row_of(w, slot[0]), d_logits);
    if (w->columns) softmax(logits + rows, w->columns, slot[0] % w->columns, d_logits + rows);
    for (int64_t c = 0; c < w->top_k; c++) {
        real p = d_logits[row_of(w, slot[c])];
        if (w->columns) p *= d_logits[column_of(w, slot[c])];
        along += d_strength[c] *= p;
    }
    for (int64_t g = 0; g < rows + w->columns; g++) d_logits[g] *= -along;
    for (int64_t c = 0; c < w->top_k; c++) add_to_logit(w, d_logits, slot[c], d_strength[c]);
}

/* One step backwards. `weights` are those after the step, and become those before its write (and
 * after its decay); `d_weights` likewise. */
static INLINE void step_back(const Writes *w, const Gradients *d, int64_t step, const Access *access,
                      const real *out, const real *d_out, real *weights, real *d_weights,
                      real *d_strength) {
    real error[VALUE], d_error[VALUE], d_read[VALUE], pulled[VALUE] = {0};
    real d_key[2][KEY] = {{0}}, rate = w->rate[step], d_rate = 0;
    soon(out + 2 * (step - w->heads) * VALUE, 2 * VALUE);
    soon(d_out + 2 * (step - w->heads) * VALUE, 2 * VALUE);
    soon(d->made + (step - w->heads) * w->width, w->width);
    memcpy(error, out + (2 * step + 1) * VALUE, sizeof(error));
    memcpy(d_read, d_out + 2 * step * VALUE, sizeof(error));
    memcpy(d_error, d_out + (2 * step + 1) * VALUE, sizeof(error));
    real *d_strengths[2] = {d_strength, d_strength + w->top_k};

    for (int64_t c = 0; c < w->top_k; c++) {
        const real *restrict block = weights + access->slot[1][c] * BLOCK;
        real *restrict d_block = d_weights + access->slot[1][c] * BLOCK;
        real strength = access->strength[1][c], sum = 0;
        for (int i = 0; i < KEY; i++) {
            real joint = strength * access->key[1][i], dot = 0;
            for (int j = 0; j < VALUE; j++) {
                dot += block[i * VALUE + j] * d_read[j];
                d_block[i * VALUE + j] += joint * d_read[j];
            }
            d_key[1][i] += strength * dot;
            sum += access->key[1][i] * dot;
        }
        d_strengths[1][c] = sum;
    }

    product(access, 0, w->top_k, d_weights, 1, pulled);
    for (int j = 0; j < VALUE; j++) {
        d_rate += pulled[j] * error[j];
        d_error[j] += rate * pulled[j];
    }
    d->rate[step] = d_rate;
    memcpy(d->made + value_at(w, step), d_error, sizeof(d_error));

    /* The additive rule's error is the value, and does not depend on the weights. */
    real held = !w->additive;
    for (int64_t c = 0; c < w->top_k; c++) {
        real *restrict block = weights + access->slot[0][c] * BLOCK;
        real *restrict d_block = d_weights + access->slot[0][c] * BLOCK;
        real strength = access->strength[0][c], sum = 0;
        for (int i = 0; i < KEY; i++) {
            real joint = strength * access->key[0][i], written = rate * joint, dot = 0;
            for (int j = 0; j < VALUE; j++) {
                real before = block[i * VALUE + j] - written * error[j];
                block[i * VALUE + j] = before;
                dot += rate * d_block[i * VALUE + j] * error[j] - held * before * d_error[j];
                d_block[i * VALUE + j] -= held * joint * d_error[j];
            }
            d_key[0][i] += strength * dot;
            sum += access->key[0][i] * dot;
        }
        d_strengths[0][c] = sum;
    }

    for (int which = 0; which < 2; which++) {
        through_normalise(access->key[which], access->norm[which], d_key[which],
                          d->activated + (2 * step + which) * KEY);
        if (w->slots > 1)
            through_address(w->made + logits_at(w, step, which), w, access->slot[which],
                            access->strength[which], d_strengths[which],
                            d->made + logits_at(w, step, which));
    }
}

/* Through F = F* + gamma (F_before - F*), where gamma = 0 is a start; returns gamma's gradient. */
static INLINE real begin_back(int64_t size, real gamma, const real *restrict initial,
                              const real *restrict before, real *restrict d_weights,
                              real *restrict d_initial) {
    real d_gamma = 0;
    for (int64_t i = 0; i < size; i++) {
        d_gamma += d_weights[i] * (before[i] - initial[i]);
        d_initial[i] += (1 - gamma) * d_weights[i];
        d_weights[i] *= gamma;
    }
    return d_gamma;
}

/* The gradients of `forward`, for the same rows.
 *
 * Goes through the sequence backwards in pieces: each is computed again from what was saved before
 * it. Within a piece a write is undone by subtracting it; what cannot be undone, decay and starts,
 * is undone by a copy from before.
 *
 * d_weights: (B, H, G, KEY, VALUE), of the weights after the last step; overwritten by those of the
 * weights before the first.
 * room: work space, allocated in Python, where running out of memory is an exception: gradients of
 * strengths (2, K), weights (1 + PIECE, G, KEY, VALUE).
 */
void backward(const Writes *w, const real *out, const real *saved, const real *d_out,
              real *all_d_weights, const Gradients *d, real *room, int64_t first, int64_t last) {
    int64_t size = w->slots * BLOCK, pieces = (w->length + PIECE - 1) / PIECE;
    Access access[PIECE];
    real *d_strength = room;
    real *room_for_weights = d_strength + 2 * w->top_k, *copies = room_for_weights + size;
    for (int64_t row = first; row < last; row++) {
        real *d_weights = all_d_weights + row * size, *d_initial = d->initial + row * size;
        const real *initial = w->initial + row % w->heads * size;
        const uint8_t *starts = w->starts ? w->starts + row / w->heads * w->length : NULL;
        for (int64_t piece = pieces - 1; piece >= 0; piece--) {
            int64_t from = piece * PIECE, to = from + PIECE < w->length ? from + PIECE : w->length;
            real *weights = memcpy(room_for_weights, saved + (row * pieces + piece) * size,
                                   size * sizeof(real));
            for (int64_t t = from; t < to; t++) {
                int64_t step = step_of(w, row, t);
                if (w->decay || (starts && starts[t]))
                    memcpy(copies + (t - from) * size, weights, size * sizeof(real));
                begin(w, row, t, step, weights);
                decode(w, step, &access[t - from]);
                add_outer(&access[t - from], 0, w->top_k, weights, w->rate[step],
                          out + (2 * step + 1) * VALUE);
            }
            for (int64_t t = to - 1; t >= from; t--) {
                int64_t step = step_of(w, row, t);
                int start = starts && starts[t];
                step_back(w, d, step, &access[t - from], out, d_out, weights, d_weights,
                          d_strength);
                if (!start && !w->decay) continue;
                weights = copies + (t - from) * size;
                real d_gamma = begin_back(size, start ? 0 : w->decay[step], initial, weights,
                                          d_weights, d_initial);
                if (!start) d->decay[step] = d_gamma;
            }
        }
    }
}
