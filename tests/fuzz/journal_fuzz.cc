// The journal of a restore (restore/journal.h), with its checksum made right.
#include "restore/journal.h"
#include "store/hash.h"
#include "tests/fuzz/fuzz.h"

namespace ingot::fuzz {

std::vector<Bytes> seeds() {
    Journal journal;
    journal.restore_id = "0123456789abcdef";
    journal.stack = "raggen";
    journal.state = RestoreState::stopped;
    JournalTarget target;
    target.source = "db";
    target.driver = "sqlite";
    target.engine = true;
    target.stage_dirs = {"stage/.ingot-0123456789abcdef-0"};
    target.staged_dir = target.stage_dirs.front() + "/staged";
    target.work_dir = target.stage_dirs.front() + "/undo";
    target.swap_begun = true;
    journal.targets = {target, target};
    journal.reason = "rate of errors";
    journal.services = {true, true, false, true, "v2", "v1"};
    journal.expected = {{"rows", "12"}, {"users", "3"}};
    journal.steps = {{"stop", 1, 2, true, "said"}};
    Bytes encoded = encode_journal(journal);
    encoded.resize(encoded.size() - 32);
    return {encoded};
}

}  // namespace ingot::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace ingot;
    using namespace ingot::fuzz;
    Bytes file(data, data + size);
    const Digest sum = sha256(file);
    file.insert(file.end(), sum.bytes.begin(), sum.bytes.end());
    decode_or_error([&] {
        const Journal journal = decode_journal(file, "journal");
        require(encode_journal(journal) == file, "a journal has two encodings");
    });
    return 0;
}
