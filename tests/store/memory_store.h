// A BlobStore in memory, whose blobs a test may read and damage. It runs the contract of all stores (directory_store_test.cc).
//
// Thread safety: any thread, as the contract asks.
#pragma once

#include <algorithm>
#include <map>
#include <mutex>

#include "base/error.h"
#include "store/blob_store.h"

namespace ingot::test {

class MemoryStore : public BlobStore {
public:
    std::unique_ptr<BlobWriter> begin() override { return std::make_unique<Writer>(*this); }
    bool put_new(const std::string& name, ByteView bytes) override {
        const std::lock_guard lock(mutex_);
        return blobs.emplace(name, Bytes(bytes.begin(), bytes.end())).second;
    }
    std::unique_ptr<ReadFile> open(const std::string& name) override { return std::make_unique<File>(get(name, UINT64_MAX)); }
    Bytes get(const std::string& name, uint64_t limit_bytes) override {
        const std::lock_guard lock(mutex_);
        const auto it = blobs.find(name);
        if (it == blobs.end()) throw Error(Code::not_found, "there is no " + name);
        if (it->second.size() > limit_bytes) throw Error(Code::damaged, name + " is larger than expected");
        return it->second;
    }
    std::optional<uint64_t> size_of(const std::string& name) override {
        const std::lock_guard lock(mutex_);
        const auto it = blobs.find(name);
        return it == blobs.end() ? std::nullopt : std::optional<uint64_t>(it->second.size());
    }
    void list(const std::string& prefix, const std::function<void(const std::string&, uint64_t)>& each) override {
        const std::lock_guard lock(mutex_);
        for (const auto& [name, bytes] : blobs) {
            if (name.starts_with(prefix + "/")) each(name, bytes.size());
        }
    }
    void remove(const std::string& name) override {
        const std::lock_guard lock(mutex_);
        if (blobs.erase(name) == 0) throw Error(Code::not_found, "there is no " + name);
    }
    void clean_temporaries() override {}

    std::map<std::string, Bytes> blobs;

private:
    class File : public ReadFile {
    public:
        explicit File(Bytes bytes) : bytes_(std::move(bytes)) {}
        size_t read_at(uint64_t offset, std::span<uint8_t> out) override {
            if (offset >= bytes_.size()) return 0;
            const size_t n = std::min<size_t>(out.size(), bytes_.size() - offset);
            std::copy_n(bytes_.begin() + static_cast<ptrdiff_t>(offset), n, out.begin());
            return n;
        }
        uint64_t size() override { return bytes_.size(); }
        void drop_cache() override {}

    private:
        Bytes bytes_;
    };
    class Writer : public BlobWriter {
    public:
        explicit Writer(MemoryStore& store) : store_(store) {}
        void append(ByteView bytes) override { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
        uint64_t size() const override { return bytes_.size(); }
        void sync() override {}
        bool publish(const std::string& name) override { return store_.put_new(name, bytes_); }

    private:
        MemoryStore& store_;
        Bytes bytes_;
    };

    std::mutex mutex_;
};

inline void flip_bit(Bytes& bytes, size_t bit) { bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] ^ (1U << (bit % 8))); }

}  // namespace ingot::test
