// Runs a target over its corpus and its seeds, once each: what ctest runs, without libFuzzer.
//
//   fuzz_NAME                  the seeds
//   fuzz_NAME FOLDER|FILE...   these, and the seeds
//   fuzz_NAME --write-seeds FOLDER
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/fuzz/fuzz.h"

using ingot::Bytes;

static Bytes content_of(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

static size_t run_all(const std::filesystem::path& path) {
    if (!std::filesystem::is_directory(path)) {
        const Bytes input = content_of(path);
        (void)LLVMFuzzerTestOneInput(input.data(), input.size());
        return 1;
    }
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(path)) count += run_all(entry.path());
    return count;
}

int main(int argc, char** argv) {
    const std::vector<Bytes> seeds = ingot::fuzz::seeds();
    if (argc == 3 && std::string(argv[1]) == "--write-seeds") {
        std::filesystem::create_directories(argv[2]);
        for (size_t i = 0; i < seeds.size(); ++i) {
            std::ofstream out(std::filesystem::path(argv[2]) / ("seed-" + std::to_string(i)), std::ios::binary);
            out.write(reinterpret_cast<const char*>(seeds[i].data()), static_cast<std::streamsize>(seeds[i].size()));
        }
        return 0;
    }
    for (const Bytes& seed : seeds) {
        (void)LLVMFuzzerTestOneInput(seed.data(), seed.size());
        // Damage near what is valid: every cut, every byte turned over.
        const size_t step = seed.size() / 400 + 1;
        for (size_t at = 0; at < seed.size(); at += step) {
            (void)LLVMFuzzerTestOneInput(seed.data(), at);
            Bytes flipped = seed;
            flipped[at] = static_cast<uint8_t>(~flipped[at]);
            (void)LLVMFuzzerTestOneInput(flipped.data(), flipped.size());
        }
    }
    size_t files = 0;
    for (int i = 1; i < argc; ++i) files += run_all(argv[i]);
    std::printf("%zu seeds with their damages, %zu files: no finding\n", seeds.size(), files);
    return 0;
}
