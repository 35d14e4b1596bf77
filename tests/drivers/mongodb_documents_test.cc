#include "drivers/mongodb_documents.h"

#include <map>

#include "tests/drivers/test_folder.h"

namespace ingot {
namespace {

std::string document(int id, size_t size, char fill = 'x') {
    const Bson out = Bson().set("_id", int64_t{id}).set("text", std::string(size, fill));
    return std::string(text_of(out.bytes()));
}

DocumentBytes bytes_of(const std::string& text) {
    return [&text](uint64_t offset, std::span<uint8_t> out) {
        return text.copy(reinterpret_cast<char*>(out.data()), out.size(), offset);
    };
}

// What each section holds.
std::vector<std::string> sections_of(const std::string& text) {
    std::vector<std::string> out;
    const auto stream = document_stream(bytes_of(text), text.size(), "it");
    while (const auto section = stream->next_section()) {
        EXPECT_EQ(section->cut, Cut::whole);
        std::string held(section->length_bytes + 1, '\0');
        size_t at = 0;
        while (const size_t n = stream->read({reinterpret_cast<uint8_t*>(held.data()) + at, held.size() - at})) at += n;
        EXPECT_EQ(at, section->length_bytes);
        held.resize(at);
        out.push_back(held);
    }
    return out;
}

TEST(MongoDocuments, SectionsAreAllOfIt) {
    std::string text;
    for (int i = 0; i < 5000; ++i) text += document(i, static_cast<size_t>(i * 7 % 2000));
    text += document(6000, 3 << 20) + document(6001, 10);
    std::string together;
    for (const std::string& section : sections_of(text)) together += section;
    EXPECT_EQ(together, text);
    EXPECT_TRUE(sections_of("").empty());
}

TEST(MongoDocuments, AChangedDocumentChangesItsOwnSection) {
    constexpr int kCount = 10'000;
    std::vector<std::string> documents;
    for (int i = 0; i < kCount; ++i) documents.push_back(document(i, 1000));
    const auto joined = [&] {
        std::string text;
        for (const std::string& one : documents) text += one;
        return text;
    };
    std::map<std::string, int> before;
    const std::string text = joined();
    for (const std::string& section : sections_of(text)) ++before[section];
    const double average = static_cast<double>(text.size()) / static_cast<double>(before.size());
    EXPECT_GT(average, 3000);
    EXPECT_LT(average, 5500);
    documents[5000] = document(5000, 1003, 'y');
    size_t added = 0;
    for (const std::string& section : sections_of(joined())) added += before.contains(section) ? 0 : 1;
    EXPECT_EQ(added, 1U);
    documents.erase(documents.begin() + 2000);
    added = 0;
    for (const std::string& section : sections_of(joined())) added += before.contains(section) ? 0 : 1;
    EXPECT_LE(added, 4U);
    std::printf("counted: sections of %.0f bytes on average\n", average);
}

TEST(MongoDocuments, BatchesAreOfWholeDocuments) {
    std::string text;
    for (int i = 0; i < 100; ++i) text += document(i, 1000);
    uint64_t documents = 0, batches = 0, bytes = 0;
    for_each_batch(bytes_of(text), text.size(), 5000, 1000, "it", [&](ByteView batch, uint64_t count) {
        EXPECT_LE(batch.size(), 5000U);
        documents += count;
        bytes += batch.size();
        ++batches;
    });
    EXPECT_EQ(documents, 100U);
    EXPECT_EQ(bytes, text.size());
    EXPECT_GE(batches, 25U);
    uint64_t most = 0;
    for_each_batch(bytes_of(text), text.size(), 1 << 20, 7, "it",
                   [&](ByteView, uint64_t count) { most = std::max(most, count); });
    EXPECT_EQ(most, 7U);
}

TEST(MongoDocuments, WhatIsNoRunOfDocumentsIsDamaged) {
    const std::string good = document(1, 100) + document(2, 100);
    const auto refused = [](const std::string& text) {
        return error_of([&] { for_each_batch(bytes_of(text), text.size(), 1000, 10, "it", [](ByteView, uint64_t) {}); }).code() ==
               Code::damaged;
    };
    EXPECT_TRUE(refused(good.substr(0, good.size() - 1)));
    EXPECT_TRUE(refused(good.substr(1)));
    EXPECT_TRUE(refused(good + "abc"));
    std::string huge = good;
    huge[3] = '\x7f';
    EXPECT_TRUE(refused(huge));
    std::string type = good;
    type[4] = '\x55';
    EXPECT_TRUE(refused(type));
    EXPECT_EQ(error_of([&] { sections_of(huge); }).code(), Code::damaged);
}

}  // namespace
}  // namespace ingot
