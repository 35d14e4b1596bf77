// What one core does in each stage of storing and reading back, in MB/s of plain bytes: median CPU time of many rounds, so that
// other work on the machine matters little. `ninja -C build store_speed && build/store_speed` prints a Markdown table.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <random>
#include <vector>

#include "store/compress.h"
#include "store/cut.h"
#include "store/float_planes.h"
#include "store/hash.h"
#include "store/seal.h"

namespace ingot {
namespace {

constexpr size_t kBytes = 32 << 20;
constexpr size_t kSegment = 1 << 20;
constexpr int kRounds = 7;
constexpr uint32_t kDimension = 384;

double cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

void row(const std::string& what, size_t bytes, const std::function<std::string()>& work) {
    std::vector<double> took;
    std::string remark;
    for (int i = 0; i < kRounds; ++i) {
        const double before = cpu_seconds();
        remark = work();
        took.push_back(cpu_seconds() - before);
    }
    std::ranges::sort(took);
    fmt::print("| {} | {:.0f} | {} |\n", what, static_cast<double>(bytes) / took[kRounds / 2] / 1e6, remark);
    std::fflush(stdout);
}

Bytes random_bytes_of(size_t size) {
    std::mt19937_64 random(1);
    Bytes out(size);
    for (size_t i = 0; i + 8 <= size; i += 8) {
        const uint64_t word = random();
        std::memcpy(out.data() + i, &word, 8);
    }
    return out;
}

// Words drawn by Zipf's law from 30,000, as bench/dataset.py makes its text.
Bytes text_of_words(size_t size) {
    std::mt19937_64 random(2);
    std::vector<std::string> words;
    for (int i = 0; i < 30'000; ++i) {
        std::string word;
        for (uint64_t k = 2 + random() % 9; k-- > 0;) word += "etaoinshrdlucmfwypvbgk"[random() % 22];
        words.push_back(word + ' ');
    }
    std::uniform_real_distribution<double> uniform(0, std::log(30'000.0));
    Bytes out;
    while (out.size() < size) {
        const std::string& word = words[static_cast<size_t>(std::exp(uniform(random))) - 1];
        out.insert(out.end(), word.begin(), word.end());
    }
    out.resize(size);
    return out;
}

Bytes unit_vectors(size_t size) {
    std::mt19937_64 random(3);
    std::normal_distribution<float> gauss;
    std::vector<float> floats(size / 4);
    for (float& value : floats) value = gauss(random) / std::sqrt(static_cast<float>(kDimension));
    Bytes out(size);
    std::memcpy(out.data(), floats.data(), size);
    return out;
}

void codec(const std::string& name, const Bytes& bytes, Content content) {
    std::vector<Bytes> stored(bytes.size() / kSegment);
    std::vector<Compression> how(stored.size());
    row("compress " + name, bytes.size(), [&] {
        size_t total = 0;
        for (size_t i = 0; i < stored.size(); ++i) {
            how[i] = compress(ByteView(bytes).subspan(i * kSegment, kSegment), stored[i], content);
            total += stored[i].size();
        }
        return fmt::format("{:.3f} of the size", static_cast<double>(total) / static_cast<double>(bytes.size()));
    });
    Bytes plain;
    row("decompress " + name, bytes.size(), [&] {
        for (size_t i = 0; i < stored.size(); ++i) decompress(how[i], stored[i], kSegment, plain);
        return std::string();
    });
}

void cuts(const std::string& name, const Bytes& bytes, const std::function<size_t(ByteView)>& first) {
    row("cut " + name, bytes.size(), [&] {
        size_t chunks = 0;
        for (ByteView left = bytes; !left.empty(); ++chunks) left = left.subspan(first(left));
        return fmt::format("{} bytes a chunk", bytes.size() / chunks);
    });
}

void hashing(const Bytes& bytes, size_t chunk) {
    std::vector<ByteView> inputs;
    for (size_t at = 0; at + chunk <= bytes.size(); at += chunk) inputs.push_back(ByteView(bytes).subspan(at, chunk));
    std::vector<Digest> digests(inputs.size());
    row(fmt::format("SHA-256 of chunks of {} bytes", chunk), inputs.size() * chunk, [&] {
        hash_many(inputs, digests);
        return std::string();
    });
}

void sealing(const Bytes& bytes) {
    const Sealer sealer(best_seal(), Secret(32));
    Bytes copy = bytes;
    std::vector<Tag> tags(bytes.size() / kSegment);
    row("seal", bytes.size(), [&] {
        for (size_t i = 0; i < tags.size(); ++i) tags[i] = sealer.seal(i, {}, std::span(copy).subspan(i * kSegment, kSegment));
        return std::string();
    });
}

int run() {
    const Bytes text = text_of_words(kBytes), noise = random_bytes_of(kBytes), vectors = unit_vectors(kBytes);
    fmt::print("| one core | MB/s | |\n|---|--:|---|\n");
    const Cutter cutter(Bytes(32, 1), {});
    const auto cdc = [&](ByteView left) { return cutter.first_chunk(left); };
    cuts("text by content", text, cdc);
    cuts("random bytes by content", noise, cdc);
    for (const auto& [element, average] : {std::pair(kDimension * 4, 10U), {kDimension * 4, 1U}, {8U, 2048U}}) {
        const ElementCuts limits = element_cuts(Section::elements(kBytes, element, average)).value();
        cuts(fmt::format("elements of {} bytes, {} on average", element, average), vectors,
             [&](ByteView left) { return cutter.first_elements(left, limits); });
    }
    for (const size_t chunk : {1536, 4096, 16'384}) hashing(noise, chunk);
    codec("text", text, Content::bytes);
    codec("random bytes", noise, Content::bytes);
    codec("unit vectors as floats", vectors, Content::f32);
    codec("unit vectors as bytes", vectors, Content::bytes);
    codec("random bytes as floats", noise, Content::f32);
    sealing(noise);
    return 0;
}

}  // namespace
}  // namespace ingot

int main() { return ingot::run(); }
