// The similarity concentrator (docs/algorithm.md, levels 2 and 3): one slice of one m-tile at a time.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "../operands.h"

namespace focus {

Engine::Cost Engine::sic_gather(const Decoded& d) {
    using namespace isa::sic_gather;
    if (!machine_.sic) fail(d, "this machine has no similarity concentrator");
    int64_t visual = extent(d, rows), own = extent(d, identity), ncols = extent(d, cols);
    if (visual + own == 0 || ncols == 0) return {};
    if (visual && !has(d, map)) fail(d, "operand 'map' is missing for the visual rows");
    Tile where = operand(d, count, 1, 1, isa::WRITE);
    Site& s = sites_[size_t(d.values[site])];
    int64_t tile, slice;
    const SiteTile& t = site_tile(d, s, where.address, tile, slice);
    if (t.visual != visual || t.identity != own)
        fail(d, text("%lld identity and %lld visual rows, but tile %lld of site '%s' has %lld and %lld", (long long)own, (long long)visual,
                     (long long)tile, s.name.c_str(), (long long)t.identity, (long long)t.visual));
    Tile from = operand(d, src, own + visual, ncols, isa::READ);
    Tile whole_table = resolve(d, table, own + visual, ncols);     // unique vectors may be as many
    int64_t unique;
    if (options_.functional) {
        ids_.resize(size_t(visual));
        if (visual && has(d, ids)) std::memcpy(ids_.data(), data(operand(d, ids, 1, visual, isa::READ)), size_t(visual) * 4);
        else for (int64_t r = 0; r < visual; ++r) ids_[size_t(r)] = int32_t(t.row0 + r);
        unique = concentrate(d, from, whole_table, visual, own, s, t.row0, slice);
    } else {
        if (visual && has(d, ids)) operand(d, ids, 1, visual, isa::READ);
        const auto& counts = options_.counts[size_t(d.values[site])];
        unique = counts[size_t(tile * s.slices + slice)];
    }
    operand(d, table, own + unique, ncols, isa::WRITE);
    if (visual) {
        Tile numbers = operand(d, map, 1, visual, isa::WRITE);
        if (options_.functional) {
            uint16_t* out = reinterpret_cast<uint16_t*>(data(numbers));
            for (int64_t r = 0; r < visual; ++r) out[r] = uint16_t(number_[size_t(group_[size_t(r)])]);
        }
    }
    uint16_t total = uint16_t(own + unique);
    std::memcpy(data(where), &total, 2);
    int64_t block = block_f_ * block_h_ * block_w_;
    for (Traffic* layouter : {&counters_.layouter, &module_->layouter})
        layouter->write += visual * from.row_bytes, layouter->read += visual * block * from.row_bytes;
    counters_.activity.sic_vectors += visual;
    counters_.activity.sic_pairs += visual * (block - 1);
    return cost_of(timing::sic_gather(machine_, visual, own, block, ncols));
}

/// The (tile, slice) a count entry belongs to.
const SiteTile& Engine::site_tile(const Decoded& d, Site& site, int64_t count_address, int64_t& tile, int64_t& slice) {
    int64_t entry = (count_address - site.count_base) / 2;
    if (count_address < site.count_base || entry >= int64_t(site.tiles.size()) * site.slices)
        fail(d, text("operand 'count': address %lld is no entry of site '%s'", (long long)count_address, site.name.c_str()));
    tile = entry / site.slices;
    slice = entry % site.slices;
    return site.tiles[size_t(tile)];
}

/// Groups the visual vectors, writes identity rows and group means to the table, records the trace; returns the unique vectors.
/// Leaves each representative's number in `number_`.
int64_t Engine::concentrate(const Decoded& d, const Tile& src, const Tile& table, int64_t visual, int64_t identity, Site& site, int64_t row0,
                            int64_t slice) {
    if (visual && grids_.empty()) fail(d, "no token grid is set");
    check_ids(d);
    int64_t stride = padded(src.cols);
    vectors_.resize(size_t(visual * stride));
    kernels().vectors(rows_of(src, identity), visual, src.cols, vectors_.data());
    find_groups(vectors_.data(), stride, visual);

    number_.assign(size_t(visual), isa::UNMAPPED);
    members_.assign(size_t(visual), 0);
    sums_.assign(size_t(visual * stride), 0.0f);
    int64_t unique = 0;
    for (int64_t r = 0; r < visual; ++r) {
        int32_t group = group_[size_t(r)];
        bool zero = norms_[size_t(r)] == 0;
        if (group == r && !zero) number_[size_t(r)] = int32_t(unique++);
        ++members_[size_t(group)];
        size_t entry = size_t((row0 + r) * site.slices + slice);
        site.retained[size_t(row0 + r)] = ids_[size_t(r)];
        site.group[entry] = int32_t(row0 + group);
        site.zero[entry] = zero;
    }
    for (int64_t r = 0; r < identity; ++r) std::memmove(data(table, r), data(src, r), size_t(src.row_bytes));
    kernels().sum_groups(vectors_.data(), stride, group_.data(), visual, sums_.data());
    module_->overflows += kernels().means(sums_.data(), members_.data(), number_.data(), visual, rows_of(table, identity), src.cols);
    return unique;
}

/// Every index is one, and stands for one row.
void Engine::check_ids(const Decoded& d) const {
    std::vector<int32_t> sorted;
    const std::vector<int32_t>* ids = &ids_;
    if (!std::is_sorted(ids_.begin(), ids_.end())) {        // those of a vision tower, whose rows have an order of their own
        sorted = ids_;
        std::sort(sorted.begin(), sorted.end());
        ids = &sorted;
    }
    if (ids->empty()) return;
    if (ids->front() < 0 || ids->back() >= 1 << 24) fail(d, "operand 'ids': not a visual index");
    if (std::adjacent_find(ids->begin(), ids->end()) != ids->end()) fail(d, "operand 'ids': an index stands for two rows");
}

/// group_[r] = the representative of row r.  A candidate precedes its token, so its representative is already known; one that does not is none.
void Engine::find_groups(const float* vectors, int64_t stride, int64_t n) {
    int32_t last = n ? *std::max_element(ids_.begin(), ids_.begin() + n) : -1;
    row_of_id_.resize(std::max(row_of_id_.size(), size_t(last + 1)), -1);
    group_.resize(size_t(n));
    norms_.resize(size_t(n));
    std::vector<Neighbours> neighbours;
    for (const Grid& g : grids_) neighbours.push_back(neighbours_of(g));
    for (int64_t r = 0; r < n; ++r) {
        row_of_id_[size_t(ids_[size_t(r)])] = int32_t(r);
        int32_t candidates[MAX_BLOCK];
        float products[MAX_BLOCK];
        int count = candidates_of(ids_[size_t(r)], neighbours, candidates);
        candidates[count] = int32_t(r);                 // for the norm
        kernels().dots(vectors, stride, r, candidates, count + 1, products);
        norms_[size_t(r)] = std::sqrt(products[count]);
        group_[size_t(r)] = group_of(r, candidates, products, norms_[size_t(r)] == 0 ? 0 : count);
    }
    for (int64_t r = 0; r < n; ++r) row_of_id_[size_t(ids_[size_t(r)])] = -1;
}

/// The group of the most similar candidate, the first of equals, or a new one.
int32_t Engine::group_of(int64_t row, const int32_t* candidates, const float* products, int count) const {
    int32_t best = -1;
    float highest = 0;
    for (int i = 0; i < count; ++i) {
        float norm = norms_[size_t(candidates[i])];
        float similarity = norm == 0 ? 0.0f : products[i] / (norms_[size_t(row)] * norm);
        if (best < 0 || similarity > highest) {
            best = candidates[i];
            highest = similarity;
        }
    }
    return best >= 0 && highest > threshold_ ? group_[size_t(best)] : int32_t(row);
}

/// How far before a token of a grid the other members of its block are, in the order df, dh, dw.
Engine::Neighbours Engine::neighbours_of(const Grid& grid) const {
    Neighbours found{};
    for (int df = 0; df < block_f_; ++df)
        for (int dh = 0; dh < block_h_; ++dh)
            for (int dw = 0; dw < block_w_; ++dw) {
                int64_t offset = df * grid.frame_stride + dh * grid.height_stride + dw * grid.width_stride;
                if (offset > 0) found.offset[found.count++] = offset;
            }
    return found;
}

/// Rows of the retained members of a token's block in this tile and grid; returns how many.
int Engine::candidates_of(int64_t id, const std::vector<Neighbours>& neighbours, int32_t* out) const {
    auto grid = std::find_if(grids_.rbegin(), grids_.rend(), [&](const Grid& g) { return g.first <= id; });
    if (grid == grids_.rend()) return 0;
    const Neighbours& near = neighbours[size_t(grids_.rend() - grid - 1)];
    int count = 0;
    for (int i = 0; i < near.count; ++i) {
        if (id - near.offset[i] < grid->first) continue;
        int32_t candidate = row_of_id_[size_t(id - near.offset[i])];
        if (candidate >= 0) out[count++] = candidate;
    }
    return count;
}

}  // namespace focus
