// Inner loops of the functional simulation, each on all rows of a tile.  kernels.cpp is compiled once for each instruction set and chosen
// when the module is loaded; every variant gives the same bits (products of fp16 values are exact in fp32, everything else is compiled without
// contraction, and every reduction has a fixed order).
#pragma once
#include <cstdint>

#include "isa.gen.h"

namespace focus {

/// Elements from one row to the next where rows of `n` fp32 values are unpacked: whole vectors of every instruction set.
constexpr int64_t padded(int64_t n) { return (n + 31) / 32 * 32; }

/// Rows of a tile in memory.
struct Rows {
    uint8_t* data;
    int64_t pitch;
    isa::DType dtype;
};

/// One pass of the array: dst[r, j] = (init ? 0 : dst[r, j]) + sum_i src[r, i] * weights[i][j].
struct Pass {
    const uint8_t* src;     // fp16 rows, k wide
    int64_t src_pitch;
    const float* weights;   // [k][padded(n)], columns from n on are zero
    uint8_t* dst;           // fp32 rows, n wide
    int64_t dst_pitch;
    int64_t rows;
    int k, n;
    bool init;
};

/// Scores of attention: in * scale, nothing where kpos > qpos; without qpos and kpos nothing is masked.
struct Scores {
    Rows in;
    Rows state;             // fp32 rows of maximum, sum, factor, 0
    Rows out;               // without data: probabilities are not stored
    const int32_t *qpos, *kpos;
    int64_t rows, cols;
    float scale;
};

struct Kernels {
    const char* name;
    /// Copies rows; returns how many NaNs and infinities are in them.
    int64_t (*copy)(Rows from, Rows to, int64_t rows, int64_t cols);
    void (*pass)(const Pass& p);
    /// weights[i][j] = tile[j][i] of an n x k fp16 tile (`transposed`) or tile[i][j] of a k x n one; as in Pass.  `weights` has room
    /// for a tile of MAX_SIDE x MAX_SIDE.
    void (*stationary)(const uint8_t* tile, int64_t pitch, int k, int n, bool transposed, float* weights);
    /// to[r] += from[map[r]], or = with `init`; from[r] without a map.  fp32.  UNMAPPED rows stand for zeros.
    void (*scatter)(Rows from, Rows to, const uint16_t* map, int64_t rows, int64_t cols, bool init);

    // The vector unit.  Those with a result of fp16 return how many finite values became infinite.
    /// op is a MapOp.
    int64_t (*map)(int op, Rows in, Rows out, int64_t rows, int64_t cols, float scalar);
    /// op is a ZipOp; b is one row or one column when it is broadcast.
    int64_t (*zip)(int op, isa::Broadcast shape, Rows a, Rows b, Rows out, int64_t rows, int64_t cols);
    /// out = in / by, a column of fp32.
    int64_t (*divide)(Rows in, Rows by, Rows out, int64_t rows, int64_t cols);
    /// op is a ReduceOp; out, fp32, is begun where `before` is 0, else holds what `before` columns gave (other than 0 counts for moments only).
    void (*reduce)(int op, Rows in, Rows out, int64_t rows, int64_t cols, int64_t before);
    /// (in - mean) * rdev * weight + bias with rows (mean, rdev) of fp32; bias may be without data.
    int64_t (*normalize)(Rows in, Rows stats, Rows weight, Rows bias, Rows out, int64_t rows, int64_t cols);
    /// Rotate-half rotary embedding of heads of `cols` elements.
    int64_t (*rope)(Rows in, Rows cos, Rows sin, Rows out, int64_t rows, int64_t cols);
    /// A step of the online softmax; `init` begins the state.
    int64_t (*softmax)(const Scores& s, bool init);
    /// Probabilities from a finished state.
    int64_t (*probabilities)(const Scores& s);

    // The similarity concentrator.  Vectors are [n][stride] of fp32, stride = padded(their length).
    /// fp16 rows as vectors, zeros from column `cols` on.
    void (*vectors)(Rows in, int64_t n, int64_t cols, float* out);
    /// Inner products of one vector with `count` of them.
    void (*dots)(const float* vectors, int64_t stride, int64_t row, const int32_t* others, int count, float* out);
    /// sums[group[r]] += vectors[r], in order.
    void (*sum_groups)(const float* vectors, int64_t stride, const int32_t* group, int64_t n, float* sums);
    /// Row number[r] of `out`, fp16, becomes sums[r] / members[r], for the r that have a number (not UNMAPPED); returns overflows.
    int64_t (*means)(const float* sums, const int32_t* members, const int32_t* number, int64_t n, Rows out, int64_t cols);
};

/// The table in use: the best this processor can run unless select_kernels chose another.
const Kernels& kernels();

/// Use the variant of that name ("baseline", "avx2", "avx512"); false if there is none or the processor cannot run it.
bool select_kernels(const char* name);

}  // namespace focus
