#include "drivers/faiss_pin.h"

#include <sys/wait.h>

#include <thread>

#include "tests/drivers/faiss_fixture.h"

namespace ingot {
namespace {

class FaissPinTest : public testing::Test {
protected:
    FaissPinTest() {
        spec_.name = "vectors";
        spec_.root = root_;
        spec_.paths = {"i.faiss"};
        spec_.options["docstore"] = "i.pkl";
        spec_.spool_dir = scratch_.folder("spool");
        write_test_index(index_, "Flat", 100, 8, 1);
        put(docs_, "documents 1");
    }
    std::unique_ptr<FaissPin> pin() {
        files_ = FaissFiles::from(spec_);
        return std::make_unique<FaissPin>(spec_, files_, std::vector<SourceRoot>());
    }
    Error failure() {
        const Error error = error_of([&] { pin(); });
        EXPECT_EQ(error.code(), Code::source) << error.what();
        EXPECT_FALSE(error.hint().empty()) << error.what();
        return error;
    }
    // The index that a pin delivers, as FAISS reads it, and the docstore.
    std::string delivered(Pin& pin) const {
        const std::vector<ReadEntry> read = read_pin(pin);
        EXPECT_EQ(paths_of(read), (std::vector<std::string>{"i.faiss", "i.pkl"}));
        put(scratch_ / "delivered", read[0].bytes);
        return index_content(scratch_ / "delivered") + "; " + read[1].bytes;
    }

    TestFolder scratch_;
    std::string root_ = scratch_.folder("stack");
    std::string index_ = root_ + "/i.faiss";
    std::string docs_ = root_ + "/i.pkl";
    SourceSpec spec_;
    FaissFiles files_;
};

TEST_F(FaissPinTest, FactsAndEntriesAreOfThePinnedFiles) {
    ASSERT_EQ(::chmod(index_.c_str(), 0640), 0);
    const auto pin = this->pin();
    const Facts facts = pin->facts();
    EXPECT_EQ(std::get<int64_t>(facts.at("ntotal")), 100);
    EXPECT_EQ(std::get<int64_t>(facts.at("dimension")), 8);
    EXPECT_EQ(std::get<std::string>(facts.at("metric")), "L2");
    EXPECT_EQ(std::get<std::string>(facts.at("type")), "Flat");
    EXPECT_EQ(std::get<int64_t>(facts.at("files")), 2);
    const std::vector<ReadEntry> read = read_pin(*pin);
    EXPECT_EQ(read[0].entry.mode, 0640u);
    EXPECT_EQ(read[0].bytes, get(index_));
    EXPECT_EQ(pin->consistency(), PinConsistency::pinned);
    EXPECT_TRUE(pin->notes().empty());
    EXPECT_EQ(pin->writers_blocked_ms(), 0);
}

TEST_F(FaissPinTest, AFileLeftAloneHasAFingerprintAndOneChangedJustNowOrOpenForWritingHasNone) {
    if (::geteuid() != 0) GTEST_SKIP() << "a lease on an old file that is there needs root";
    spec_.options = {{"docstore", "/usr/bin/env"}, {"docstore_skew", "40000d"}};
    const auto pin = this->pin(), again = this->pin();
    const Bytes old = pin->next()->fingerprint;
    EXPECT_FALSE(old.empty());
    EXPECT_EQ(again->next()->fingerprint, old);
    EXPECT_TRUE(pin->next()->fingerprint.empty()) << "written within the last seconds";
    const int writer = ::open(index_.c_str(), O_WRONLY | O_CLOEXEC);
    const auto held = this->pin();
    held->next();
    EXPECT_TRUE(held->next()->fingerprint.empty());
    ASSERT_EQ(held->notes().size(), 1u);
    EXPECT_NE(held->notes()[0].find("open for writing"), std::string::npos);
    ::close(writer);
}

TEST_F(FaissPinTest, AnIndexReplacedByARenameWhileItIsReadIsDeliveredAsPinned) {
    const auto pin = this->pin();
    replace_test_index(index_, "Flat", 200, 8, 2);
    put(docs_, "documents 2");
    EXPECT_EQ(delivered(*pin), "100 vectors of 8, 1.000000; documents 1");
    EXPECT_EQ(index_content(index_), "200 vectors of 8, 2.000000");
}

TEST_F(FaissPinTest, AnIndexWrittenInPlaceWhileItIsReadIsDeliveredAsPinnedAndTheWriterGoesOn) {
    write_test_index(index_, "Flat", 1'000'000, 8, 1);  // 32 MB
    const std::string before = get(index_);
    const auto pin = this->pin();
    pin->next();
    const auto stream = pin->open({});
    std::string bytes;
    std::vector<uint8_t> buffer(65'536);
    std::jthread writer;
    while (stream->next_section()) {
        while (const size_t n = stream->read(buffer)) {
            bytes.append(reinterpret_cast<const char*>(buffer.data()), n);
            if (writer.joinable() || bytes.size() < 1'000'000) continue;
            writer = std::jthread([&] { write_test_index(index_, "Flat", 200, 8, 2); });
            while (pin->writers_blocked_ms() == 0) std::this_thread::yield();
        }
    }
    writer.join();
    EXPECT_EQ(bytes, before);
    EXPECT_TRUE(stream->settled());
    EXPECT_EQ(index_content(index_), "200 vectors of 8, 2.000000");
}

TEST_F(FaissPinTest, UnderASaveInALoopEveryDeliveryIsOneOfItsStates) {
    std::jthread writer([&](std::stop_token stop) {
        for (int round = 2; !stop.stop_requested(); ++round) {
            write_test_index(index_, "Flat", 100 * (round % 7 + 1), 8, static_cast<float>(100 * (round % 7 + 1)));
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
    });
    int good = 0, busy = 0;
    for (int i = 0; i < 40; ++i) {
        std::unique_ptr<FaissPin> pin;
        try {
            pin = this->pin();
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Code::source) << error.what();
            ++busy;
            continue;
        }
        const std::string state = delivered(*pin);
        const std::string count = state.substr(0, state.find(' '));
        EXPECT_TRUE(state.starts_with(count + " vectors of 8, " + (count == "100" && good == 0 ? "" : count)) ||
                    state.starts_with("100 vectors of 8, 1.0"))
            << state;
        ++good;
    }
    std::printf("%d pins delivered, %d found it busy\n", good, busy);
    EXPECT_GT(good, 20);
}

TEST_F(FaissPinTest, ATornIndexIsTheSourcesErrorWithItsNameAndPlace) {
    const std::string whole = get(index_);
    put(index_, whole.substr(0, whole.size() / 2));
    EXPECT_NE(std::string(failure().what()).find(index_), std::string::npos);
    put(index_, "");
    failure();
    put(index_, whole + "junk");
    failure();
    put(index_, "no index at all");
    failure();
}

TEST_F(FaissPinTest, ADocstoreOfAnotherDayIsRefusedWithBothTimes) {
    set_mtime(index_, 1'700'000'000);
    set_mtime(docs_, 1'700'000'000 - 86'400);
    const Error error = failure();
    EXPECT_NE(std::string(error.what()).find("24 h"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("docstore_skew allows 10 min"), std::string::npos) << error.what();
    EXPECT_NE(error.hint().find("save both again"), std::string::npos);
    // LlamaIndex writes its docstore first, LangChain last: the direction means nothing.
    set_mtime(docs_, 1'700'000'000 + 599);
    pin();
    set_mtime(docs_, 1'700'000'000 - 599);
    pin();
    set_mtime(docs_, 1'700'000'000 + 601);
    failure();
    spec_.options["docstore_skew"] = "11m";
    pin();
}

TEST_F(FaissPinTest, AnEmptyOrMissingDocstoreIsRefused) {
    put(docs_, "");
    EXPECT_NE(std::string(failure().what()).find("is empty"), std::string::npos);
    real_filesystem().remove(docs_);
    EXPECT_NE(std::string(failure().what()).find("is not there"), std::string::npos);
}

TEST_F(FaissPinTest, AKindThatIsNotKnownIsStoredWholeAndNoted) {
    put(index_, "Izzz" + get(index_).substr(4));
    const auto pin = this->pin();
    const Facts facts = pin->facts();
    EXPECT_EQ(std::get<std::string>(facts.at("type")).find('?'), 0u);
    EXPECT_EQ(read_pin(*pin)[0].bytes, get(index_));
    ASSERT_EQ(pin->notes().size(), 1u);
    EXPECT_NE(pin->notes()[0].find("Izzz"), std::string::npos);
}

TEST_F(FaissPinTest, DataFilesOfListsBelongToTheSetAndTheOwnMomentOfTheirProgramIsCopied) {
    spec_.options.clear();
    const std::string lists = root_ + "/on.disk";
    write_test_lists(index_, lists, 500);
    files_ = FaissFiles::from(spec_);
    const std::vector<SourceRoot> known = {{"on.disk", lists}};
    {
        FaissPin pin(spec_, files_, known);
        EXPECT_EQ(std::get<int64_t>(pin.facts().at("files")), 2);
        const std::vector<ReadEntry> read = read_pin(pin);
        ASSERT_EQ(paths_of(read), (std::vector<std::string>{"i.faiss", "on.disk"}));
        EXPECT_EQ(read[1].bytes, get(lists));
        ASSERT_EQ(pin.notes().size(), 1u);
        EXPECT_NE(pin.notes()[0].find("lists = "), std::string::npos);
    }
    {
        // As the application has it: mapped for reading and writing.
        const std::unique_ptr<faiss::Index> open(faiss::read_index(index_.c_str()));
        FaissPin pin(spec_, files_, known);
        EXPECT_EQ(read_pin(pin)[1].bytes, get(lists));
        EXPECT_NE(pin.notes()[0].find("open for writing"), std::string::npos);
    }
    EXPECT_NE(std::string(failure().what()).find("while the snapshot began"), std::string::npos)
        << "it must be a root of the source";
    ASSERT_EQ(::truncate(lists.c_str(), 100), 0);
    EXPECT_NE(std::string(error_of([&] { FaissPin(spec_, files_, known); }).what()).find("expects"), std::string::npos);
}

TEST_F(FaissPinTest, AnotherUsersFilesArePinnedByACopy) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
    for (const std::string& each : {scratch_.path(), root_, spec_.spool_dir}) ASSERT_EQ(::chmod(each.c_str(), 0777), 0);
    const std::string before = get(index_);
    const pid_t child = ::fork();
    if (child == 0) {
        if (::setegid(65534) != 0 || ::seteuid(65534) != 0) ::_exit(9);
        const auto pin = this->pin();
        replace_test_index(index_, "Flat", 10);
        const bool good = read_pin(*pin)[0].bytes == before && pin->notes().size() == 2 &&
                          pin->notes()[0].find("owner or root") != std::string::npos;
        ::_exit(good ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace ingot
