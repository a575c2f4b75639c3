// The inner loops; see kernels.h.  Compiled with VARIANT = baseline, avx2 or avx512 and matching compiler flags.
// Only intrinsics and functions of this file and simd.h may be called: an inline function of a library compiled here with AVX-512 could be
// the copy the linker keeps for everyone.
#include "kernels.h"

#include "simd.h"

namespace focus::VARIANT {
namespace {

using isa::DType;
using isa::MapOp;
using isa::ReduceOp;
using isa::ZipOp;

// ---- copies ----------------------------------------------------------------------------------------------------------

/// Copies rows of T; returns how many have all bits of EXPONENT set.  There are hardly ever any, so they are counted only where one was seen.
template <class T, T EXPONENT>
inline int64_t copy_rows(const Rows& from, const Rows& to, int64_t rows, int64_t cols) {
    constexpr int N = sizeof(V) / sizeof(T);
    using Bits [[gnu::vector_size(sizeof(V))]] = T;
    decltype(Bits{} == Bits{}) seen{};
    T one = 0;
    for (int64_t r = 0; r < rows; ++r) {
        const T* in = reinterpret_cast<const T*>(row_of(from, r));
        T* out = reinterpret_cast<T*>(row_of(to, r));
        int64_t i = 0;
        for (; i + N <= cols; i += N) {
            Bits v = load<Bits>(in + i);
            store(out + i, v);
            seen |= (v & EXPONENT) == EXPONENT;
        }
        for (; i < cols; ++i) {
            out[i] = in[i];
            one |= (in[i] & EXPONENT) == EXPONENT;
        }
    }
    for (int l = 0; l < N; ++l) one |= seen[l] != 0;
    int64_t count = 0;
    for (int64_t r = 0; one && r < rows; ++r)
        for (int64_t i = 0; i < cols; ++i) count += (reinterpret_cast<const T*>(row_of(to, r))[i] & EXPONENT) == EXPONENT;
    return count;
}

int64_t copy(Rows from, Rows to, int64_t rows, int64_t cols) {
    switch (from.dtype) {
        case DType::F16: return copy_rows<uint16_t, 0x7c00>(from, to, rows, cols);
        case DType::F32: return copy_rows<uint32_t, 0x7f800000>(from, to, rows, cols);
        default: break;
    }
    int64_t size = from.dtype == DType::I32 ? 4 : 2;
    for (int64_t r = 0; r < rows; ++r) __builtin_memcpy(row_of(to, r), row_of(from, r), cols * size);
    return 0;
}

/// out += v, or = with `init`; `count` values of fp32.
inline void add(V v, uint8_t* out, int count, bool init) { store<float>(out, init ? v : load<V, float>(out, count) + v, count); }

// ---- the array -------------------------------------------------------------------------------------------------------

// A block is R rows of C vectors of columns: as many sums as there are registers.
#if defined(__AVX512F__)
constexpr int R = 12, C = 2;
#elif defined(__AVX2__)
constexpr int R = 6, C = 2;
#else
constexpr int R = 3, C = 4;         // without an instruction that broadcasts and multiplies, fewer broadcasts
#endif

constexpr int SIDE = isa::MAX_SIDE;

/// M vectors of columns of N rows, of which `columns` are there; x is [N][SIDE], w, a row of which has `stride` values, starts at the columns.
/// Sums start from zero and run in order of i.
template <int N, int M>
inline void block(const float* x, const float* w, int64_t stride, int64_t k, uint8_t* dst, int64_t pitch, bool init, int columns) {
    V sums[N][M] = {};
    for (int64_t i = 0; i < k; ++i, ++x, w += stride) {
        V weights[M];
        for (int c = 0; c < M; ++c) weights[c] = load<V>(w + c * W);
        for (int r = 0; r < N; ++r)
            for (int c = 0; c < M; ++c) sums[r][c] = fma(splat(x[r * SIDE]), weights[c], sums[r][c]);
    }
    if (columns < M * W) {
        alignas(64) float part[N][M * W];
        __builtin_memcpy(part, sums, sizeof part);
        for (int r = 0; r < N; ++r)
            each(columns, [&](int64_t c, int count) { add(load<V>(part[r] + c), dst + r * pitch + c * 4, count, init); });
        return;
    }
    for (int r = 0; r < N; ++r)
        for (int c = 0; c < M; ++c) add(sums[r][c], dst + r * pitch + c * W * 4, W, init);
}

/// N rows of one pass.
template <int N>
inline void rows_of_pass(const Pass& p, int64_t row) {
    alignas(64) float x[N * SIDE];
    int64_t stride = padded(p.n);
    for (int r = 0; r < N; ++r) {
        const uint8_t* in = p.src + (row + r) * p.src_pitch;
        each(p.k, [&](int64_t i, int count) { store(x + r * SIDE + i, widen(load<H, uint16_t>(in + i * 2, count))); });
    }
    for (int c = 0; c < p.n; c += C * W) {
        uint8_t* dst = p.dst + row * p.dst_pitch + c * 4;
        if (p.n - c > W) block<N, C>(x, p.weights + c, stride, p.k, dst, p.dst_pitch, p.init, p.n - c);
        else block<N, 1>(x, p.weights + c, stride, p.k, dst, p.dst_pitch, p.init, p.n - c);
    }
}

/// Calls the block of the right height, so that the last rows of a pass are one block too.
template <int... N>
inline void block_of(const Pass& p, int64_t row, int64_t count, Numbers<N...>) {
    using Function = void (*)(const Pass&, int64_t);
    static constexpr Function heights[] = {rows_of_pass<N + 1>...};
    heights[count - 1](p, row);
}

void pass(const Pass& p) {
    int64_t row = 0;
    for (; row + R <= p.rows; row += R) rows_of_pass<R>(p, row);
    if (row < p.rows) block_of(p, row, p.rows - row, FirstNumbers<R>());
}

/// out[i][j] = in[j][i] for i < rows and j < cols, multiples of 4; a row of `in` has padded(rows) values, one of `out` padded(cols).
inline void transpose(const float* in, float* out, int64_t rows, int64_t cols) {
    using Four [[gnu::vector_size(16)]] = float;
    int64_t from = padded(rows), to = padded(cols);
    for (int64_t i = 0; i < rows; i += 4)
        for (int64_t j = 0; j < cols; j += 4) {
            const float* p = in + j * from + i;
            Four a = load<Four>(p), b = load<Four>(p + from), c = load<Four>(p + 2 * from), d = load<Four>(p + 3 * from);
            Four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
            Four AB = __builtin_shufflevector(a, b, 2, 6, 3, 7), CD = __builtin_shufflevector(c, d, 2, 6, 3, 7);
            float* q = out + i * to + j;
            store(q, __builtin_shufflevector(ab, cd, 0, 1, 4, 5));
            store(q + to, __builtin_shufflevector(ab, cd, 2, 3, 6, 7));
            store(q + 2 * to, __builtin_shufflevector(AB, CD, 0, 1, 4, 5));
            store(q + 3 * to, __builtin_shufflevector(AB, CD, 2, 3, 6, 7));
        }
}

/// fp16 rows as rows of padded(cols) fp32 values, zeros from column `cols` on.
void vectors(Rows in, int64_t n, int64_t cols, float* out) {
    int64_t stride = padded(cols);
    for (int64_t r = 0; r < n; ++r, out += stride) {
        for (int64_t c = cols / W * W; c < stride; c += W) store(out + c, V{});
        each(cols, [&](int64_t c, int count) { store(out + c, widen(load<H, uint16_t>(row_of(in, r) + c * 2, count))); });
    }
}

void stationary(const uint8_t* tile, int64_t pitch, int k, int n, bool transposed, float* weights) {
    Rows in = {const_cast<uint8_t*>(tile), pitch, DType::F16};
    if (!transposed) return vectors(in, k, n, weights);
    alignas(64) float rows[SIDE * SIDE];
    int64_t width = padded(k), columns = padded(n);
    __builtin_memset(rows + n * width, 0, (columns - n) * width * 4);
    vectors(in, n, k, rows);
    transpose(rows, weights, (k + 3) / 4 * 4, columns);
}

void scatter(Rows from, Rows to, const uint16_t* map, int64_t rows, int64_t cols, bool init) {
    for (int64_t r = 0; r < rows; ++r) {
        int64_t source = map ? map[r] : r;
        if (map && source == isa::UNMAPPED) {
            if (init) each(cols, [&](int64_t c, int count) { store<float>(row_of(to, r) + c * 4, V{}, count); });
            continue;
        }
        each(cols, [&](int64_t c, int count) {
            add(load<V, float>(row_of(from, source) + c * 4, count), row_of(to, r) + c * 4, count, init);
        });
    }
}

// ---- elementwise functions -------------------------------------------------------------------------------------------

/// e^x to about 1 ulp: range reduction by ln 2 in two parts, a polynomial of degree 7 (Cephes expf), scaling in two steps so that
/// results below the normal range come out right.
inline V exp_of(V x) {
    V c = x < -110.0f ? splat(-110.0f) : x;
    c = c > 90.0f ? splat(90.0f) : c;                                // a NaN passes both
    const V magic = splat(12582912.0f);                              // 1.5 * 2^23: adding it rounds to an integer
    V shifted = c * 1.44269504088896341f + magic;
    I n = bits(shifted) - bits(magic);
    V whole = shifted - magic;
    V r = c - whole * 0.693359375f;
    r = r - whole * -2.12194440e-4f;
    V p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    I half = n >> 1;
    return p * value((half + 127) << 23) * value((n - half + 127) << 23);
}

/// erfc(z) for z >= 0 with a relative error below 1.2e-7 (Numerical Recipes, erfcc).
inline V erfc_of(V z) {
    V t = 1.0f / (1.0f + 0.5f * z);
    V p = t * 0.17087277f + -0.82215223f;
    p = p * t + 1.48851587f;
    p = p * t + -1.13520398f;
    p = p * t + 0.27886807f;
    p = p * t + -0.18628806f;
    p = p * t + 0.09678418f;
    p = p * t + 0.37409196f;
    p = p * t + 1.00002368f;
    p = p * t + -1.26551223f;
    return t * exp_of(p - z * z);
}

inline V logistic_times(V x, V u) { return x / (1.0f + exp_of(-u)); }

inline V gelu_erf(V x) {
    V size = magnitude(x);
    V tail = 0.5f * size * erfc_of(size * 0.70710678118654752f);     // |x| * (1 - cdf(|x|))
    tail = size > 30.0f ? V{} : tail;                                // 0 * infinity
    return x > 0.0f ? x - tail : x == x ? -tail : x;
}

/// out = f of the rows of `in`.
template <class F>
inline int64_t each_value(Rows in, Rows out, int64_t rows, int64_t cols, F f) {
    Writer to(out);
    for (int64_t r = 0; r < rows; ++r) each(cols, [&](int64_t c, int count) { to.put(r, c, count, f(fetch(in, r, c, count))); });
    return to.overflows();
}

int64_t map(int op, Rows in, Rows out, int64_t rows, int64_t cols, float scalar) {
    auto with = [&](auto f) { return each_value(in, out, rows, cols, f); };
    switch (MapOp(op)) {
        case MapOp::COPY: return with([](V x) { return x; });
        case MapOp::SILU: return with([](V x) { return logistic_times(x, x); });
        case MapOp::GELU_TANH:                                       // 0.5 (1 + tanh u) = logistic(2 u)
            return with([](V x) { return logistic_times(x, 1.5957691216057308f * (x + 0.044715f * (x * x * x))); });
        case MapOp::GELU_ERF: return with([](V x) { return gelu_erf(x); });
        case MapOp::GELU_QUICK: return with([](V x) { return logistic_times(x, 1.702f * x); });
        case MapOp::RELU: return with([](V x) { return x < 0.0f ? V{} : x; });
        case MapOp::EXP: return with([](V x) { return exp_of(x); });
        case MapOp::SCALE: return with([=](V x) { return x * scalar; });
        case MapOp::TANH: return with([=](V x) { return 1.0f - 2.0f / (1.0f + exp_of(2.0f * (x * scalar))); });
    }
    return 0;
}

/// out = f(a, b), b perhaps broadcast.
template <class F>
inline int64_t each_pair(isa::Broadcast shape, Rows a, Rows b, Rows out, int64_t rows, int64_t cols, F f) {
    Writer to(out);
    bool row = shape == isa::Broadcast::ROW, col = shape == isa::Broadcast::COL;
    for (int64_t r = 0; r < rows; ++r) {
        V one = col ? splat(fetch(b, r, 0)) : V{};
        each(cols, [&](int64_t c, int count) { to.put(r, c, count, f(fetch(a, r, c, count), col ? one : fetch(b, row ? 0 : r, c, count))); });
    }
    return to.overflows();
}

int64_t zip(int op, isa::Broadcast shape, Rows a, Rows b, Rows out, int64_t rows, int64_t cols) {
    auto with = [&](auto f) { return each_pair(shape, a, b, out, rows, cols, f); };
    switch (ZipOp(op)) {
        case ZipOp::ADD: return with([](V x, V y) { return x + y; });
        case ZipOp::SUB: return with([](V x, V y) { return x - y; });
        case ZipOp::MUL: return with([](V x, V y) { return x * y; });
        case ZipOp::MAX: return with([](V x, V y) { return larger(x, y); });
    }
    return 0;
}

int64_t divide(Rows in, Rows by, Rows out, int64_t rows, int64_t cols) {
    return each_pair(isa::Broadcast::COL, in, by, out, rows, cols, [](V x, V y) { return x / y; });
}

// ---- rows of norms, attention and RoPE -------------------------------------------------------------------------------

inline float* floats(const Rows& t, int64_t row) { return reinterpret_cast<float*>(row_of(t, row)); }

/// Moments of `cols` columns, merged into those of the `before` columns that y has seen.  Squares are of deviations from the mean, so that a mean far
/// above the spread leaves the spread exact.
template <class Term>
void merge_moments(float* y, int64_t before, int64_t cols, Term term) {
    float mean = reduce(cols, 0.0f, PLUS, term) / float(cols);
    float squares = reduce(cols, 0.0f, PLUS, [&](int64_t c, int count) { V d = term(c, count) - mean; return d * d; });
    if (before) {
        float all = float(before + cols), delta = mean - y[0];
        bool finite = delta - delta == 0;
        mean = finite ? y[0] + delta * (float(cols) / all) : y[0] + mean;
        squares += y[1] + delta * delta * (float(before) * (float(cols) / all));
    }
    y[0] = mean;
    y[1] = squares == squares ? squares : INF;          // of a row with an infinity; a NaN stays in the mean
}

void reduce(int op, Rows in, Rows out, int64_t rows, int64_t cols, int64_t before) {
    bool init = before == 0;
    for (int64_t r = 0; r < rows; ++r) {
        auto term = [&](int64_t c, int count) { return fetch(in, r, c, count); };
        float* y = floats(out, r);
        if (ReduceOp(op) == ReduceOp::MAX) {
            float m = reduce(cols, -INF, LARGER, term);
            y[0] = init ? m : m > y[0] ? m : y[0] >= m ? y[0] : m + y[0];
            continue;
        }
        if (ReduceOp(op) == ReduceOp::MOMENTS) merge_moments(y, before, cols, term);
        else y[0] = (init ? 0 : y[0]) + reduce(cols, 0.0f, PLUS, term);
    }
}

int64_t normalize(Rows in, Rows stats, Rows weight, Rows bias, Rows out, int64_t rows, int64_t cols) {
    Writer to(out);
    for (int64_t r = 0; r < rows; ++r) {
        float mean = floats(stats, r)[0], rdev = floats(stats, r)[1];
        each(cols, [&](int64_t c, int count) {
            V v = (fetch(in, r, c, count) - mean) * rdev * fetch(weight, 0, c, count);
            to.put(r, c, count, bias.data ? v + fetch(bias, 0, c, count) : v);
        });
    }
    return to.overflows();
}

int64_t rope(Rows in, Rows cos, Rows sin, Rows out, int64_t rows, int64_t cols) {
    Writer to(out);
    int64_t h = cols / 2;
    for (int64_t r = 0; r < rows; ++r)
        each(h, [&](int64_t c, int count) {
            V a = fetch(in, r, c, count), b = fetch(in, r, c + h, count);
            V first = a * fetch(cos, r, c, count) - b * fetch(sin, r, c, count);
            V second = b * fetch(cos, r, c + h, count) + a * fetch(sin, r, c + h, count);
            to.put(r, c, count, first);
            to.put(r, c + h, count, second);
        });
    return to.overflows();
}

/// `v`, or `otherwise` in the columns that the row may not see.
inline V seen(const Scores& s, int64_t r, int64_t c, int count, V v, V otherwise) {
    return s.kpos ? load<I, int32_t>(s.kpos + c, count) > s.qpos[r] ? otherwise : v : v;
}

/// One row's maximum, then its probabilities relative to `top` and their sum.
inline float highest(const Scores& s, int64_t r) {
    return reduce(s.cols, -INF, LARGER,
                  [&](int64_t c, int count) { return seen(s, r, c, count, fetch(s.in, r, c, count) * s.scale, splat(-INF)); });
}
inline float weigh(const Scores& s, int64_t r, float top, Writer& to) {
    return reduce(s.cols, 0.0f, PLUS, [&](int64_t c, int count) {
        V p = top == -INF ? V{} : seen(s, r, c, count, exp_of(fetch(s.in, r, c, count) * s.scale - top), V{});
        if (s.out.data) to.put(r, c, count, p);
        return p;
    });
}

/// As many rows at a time as a vector has values: their maxima and factors are vectors.
int64_t softmax(const Scores& s, bool init) {
    Writer to(s.out);
    for (int64_t row = 0; row < s.rows; row += W) {
        int count = s.rows - row < W ? int(s.rows - row) : W;
        float tops[W] = {}, olds[W] = {}, factors[W];
        for (int r = 0; r < count; ++r) {
            tops[r] = highest(s, row + r);
            olds[r] = init ? -INF : floats(s.state, row + r)[0];
        }
        V top = load<V>(tops), old = load<V>(olds);
        V grown = top > old ? top : old >= top ? old : top + old;
        store(tops, grown);
        store(factors, grown == -INF ? splat(1.0f) : exp_of(old - grown));
        for (int r = 0; r < count; ++r) {
            float* state = floats(s.state, row + r);
            float sum = weigh(s, row + r, tops[r], to);
            state[1] = (init ? 0.0f : state[1]) * factors[r] + sum;
            state[0] = tops[r], state[2] = factors[r], state[3] = 0.0f;
        }
    }
    return to.overflows();
}

int64_t probabilities(const Scores& s) {
    Writer to(s.out);
    for (int64_t r = 0; r < s.rows; ++r) {
        float top = floats(s.state, r)[0], sum = floats(s.state, r)[1];
        each(s.cols, [&](int64_t c, int count) {
            to.put(r, c, count, seen(s, r, c, count, exp_of(fetch(s.in, r, c, count) * s.scale - top) / sum, V{}));
        });
    }
    return to.overflows();
}

// ---- the similarity concentrator -------------------------------------------------------------------------------------

/// Products of 16 elements at a time are added up from the first on, then the tree; a vector of 32 is the common one.
template <int64_t STRIDE>
inline void dots_of(const float* vectors, int64_t stride, int64_t row, const int32_t* others, int count, float* out) {
    if (STRIDE) stride = STRIDE;
    const float* a = vectors + row * stride;
    for (int i = 0; i < count; ++i) {
        const float* b = vectors + others[i] * stride;
        Sixteen s;
        for (int p = 0; p < PARTS; ++p) s.part[p] = load<V>(a + p * W) * load<V>(b + p * W);
        for (int64_t c = 16; c < stride; c += 16)
            for (int p = 0; p < PARTS; ++p) s.part[p] = s.part[p] + load<V>(a + c + p * W) * load<V>(b + c + p * W);
        out[i] = tree(s, PLUS);
    }
}

void dots(const float* vectors, int64_t stride, int64_t row, const int32_t* others, int count, float* out) {
    if (stride == 32) dots_of<32>(vectors, stride, row, others, count, out);
    else dots_of<0>(vectors, stride, row, others, count, out);
}

void sum_groups(const float* vectors, int64_t stride, const int32_t* group, int64_t n, float* sums) {
    for (int64_t r = 0; r < n; ++r)
        for (int64_t c = 0; c < stride; c += W) {
            float* sum = sums + group[r] * stride + c;
            store(sum, load<V>(sum) + load<V>(vectors + r * stride + c));
        }
}

int64_t means(const float* sums, const int32_t* members, const int32_t* number, int64_t n, Rows out, int64_t cols) {
    Writer to(out);
    for (int64_t r = 0; r < n; ++r)
        if (number[r] != isa::UNMAPPED)
            each(cols, [&](int64_t c, int count) { to.put(number[r], c, count, load<V>(sums + r * padded(cols) + c) / float(members[r])); });
    return to.overflows();
}

#define STRING(x) #x
#define NAME_OF(x) STRING(x)
}  // namespace

extern const Kernels table;
const Kernels table = {NAME_OF(VARIANT), copy, pass, stationary, scatter, map, zip, divide, reduce, normalize, rope, softmax, probabilities,
                       vectors, dots, sum_groups, means};

}  // namespace focus::VARIANT
