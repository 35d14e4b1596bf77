// The pin of a `qdrant` source: every collection's shards frozen, or its snapshots made, and on their way into spools.
//
// Thread safety, lifetime: as any Pin; `settings` and `spec` outlive it. Errors: as any Pin.
#pragma once

#include <memory>

#include "drivers/driver.h"
#include "drivers/qdrant_api.h"
#include "drivers/qdrant_record.h"

namespace ingot {

std::unique_ptr<Pin> make_qdrant_pin(const QdrantSettings& settings, const SourceSpec& spec);

// The collections of the source as they are now, with config and shards. Throws where one is missing, not whole on this server,
// or being moved; and where it is grey or red, unless that is no matter.
enum class QdrantStatus { well, any };
QdrantRecord find_qdrant_collections(QdrantApi& api, const QdrantSettings& settings, Code code,
                                     QdrantStatus status = QdrantStatus::well);
// Are shards streamed from a server of this version?
bool qdrant_streams(const QdrantSettings& settings, const std::string& version);

// The name that a collection goes by when it was restored: "rag" of "rag__r0123456789abcdef", else nothing.
std::string qdrant_restored_name(const std::string& collection);

}  // namespace ingot
