#include "drivers/mongodb_connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <deque>

#include "base/interrupt.h"
#include "drivers/mongodb_library.h"

namespace ingot {
namespace {

// hello.maxWireVersion of MongoDB 5.0, the first that reads snapshots outside of transactions.
constexpr int64_t kSnapshotWireVersion = 13;

template <auto destroy>
struct Destroy {
    void operator()(auto* pointer) const { (mongoc().*destroy)(pointer); }
};
using ClientPtr = std::unique_ptr<mongoc_client_t, Destroy<&MongocLibrary::client_destroy>>;
using SessionPtr = std::unique_ptr<mongoc_client_session_t, Destroy<&MongocLibrary::client_session_destroy>>;
using CursorPtr = std::unique_ptr<mongoc_cursor_t, Destroy<&MongocLibrary::cursor_destroy>>;
using CollectionPtr = std::unique_ptr<mongoc_collection_t, Destroy<&MongocLibrary::collection_destroy>>;
using DatabasePtr = std::unique_ptr<mongoc_database_t, Destroy<&MongocLibrary::database_destroy>>;
using UriPtr = std::unique_ptr<mongoc_uri_t, Destroy<&MongocLibrary::uri_destroy>>;

// Checked bytes as libbson sees them, for one call. A bson_t points into itself: it is never copied.
struct View {
    explicit View(ByteView bytes) { (void)bson_init_static(&bson, bytes.data(), bytes.size()); }
    explicit View(const Bson& document) : View(document.bytes()) {}
    View(const View&) = delete;
    View& operator=(const View&) = delete;
    bson_t bson;
};

ByteView bytes_of(const bson_t* bson) { return {bson_get_data(bson), bson->len}; }

// What a call answers into.
struct Reply {
    Reply() { bson_init(&bson); }
    Reply(const Reply&) = delete;
    Reply& operator=(const Reply&) = delete;
    ~Reply() { bson_destroy(&bson); }
    bson_t bson;
};

}  // namespace

struct MongoConnection::Client {
    ClientPtr client;
    SessionPtr session;  // destroyed before the client
    std::string uri_text, password;

    ~Client() {
        wipe({reinterpret_cast<uint8_t*>(uri_text.data()), uri_text.size()});
        wipe({reinterpret_cast<uint8_t*>(password.data()), password.size()});
    }
    CollectionPtr collection(const std::string& database, const std::string& name) const {
        return CollectionPtr(mongoc().client_get_collection(client.get(), database.c_str(), name.c_str()));
    }
    void in_session(Reply& opts) const {
        bson_error_t ignored;
        if (session) (void)mongoc().client_session_append(session.get(), &opts.bson, &ignored);
    }
};

MongoConnection::MongoConnection(const MongoSettings& settings, Code code, int64_t answer_ms)
    : source_(settings.source), shown_(settings.shown()), code_(code), client_(std::make_unique<Client>()) {
    const Secret address = settings.address(code);
    const Secret password = settings.password(code);
    client_->uri_text = address.text();
    client_->password = password.text();
    shown_ = shown_mongo_uri(address.text());
    bson_error_t error{};
    const UriPtr uri(mongoc().uri_new_with_error(client_->uri_text.c_str(), &error));
    if (uri == nullptr) {
        throw Error(code,
                    fmt::format("the address of {} is none that libmongoc takes: {}", source_,
                                without_password(printable(error.message), address.text(), password.text())),
                    "what is not a letter or a digit in a user or a password must be percent-encoded: @ is %40, / is %2F");
    }
    if (!password.empty()) mongoc().uri_set_password(uri.get(), client_->password.c_str());
    if (const char* name = mongoc().uri_get_database(uri.get()); name != nullptr) address_database_ = name;
    answer_ms_ = answer_ms > 0 ? answer_ms : settings.timeout_ms;
    mongoc().uri_set_option_as_int32(uri.get(), MONGOC_URI_SOCKETTIMEOUTMS, static_cast<int32_t>(answer_ms_));
    for (const char* option : {MONGOC_URI_CONNECTTIMEOUTMS, MONGOC_URI_SERVERSELECTIONTIMEOUTMS})
        mongoc().uri_set_option_as_int32(uri.get(), option, static_cast<int32_t>(settings.timeout_ms));
    // A call that was sent twice would wait twice for a server that hangs.
    mongoc().uri_set_option_as_bool(uri.get(), MONGOC_URI_RETRYREADS, false);
    client_->client.reset(mongoc().client_new_from_uri(uri.get()));
    if (client_->client == nullptr)
        throw this->error("libmongoc takes no such address", "an option in it may be of a newer MongoDB: leave that out");
    mongoc().client_set_error_api(client_->client.get(), MONGOC_ERROR_API_VERSION_2);
    mongoc().client_set_appname(client_->client.get(), "ingot");

    // Older servers (and libmongoc itself, at its handshake) call it isMaster.
    std::optional<Bson> hello = ask("admin", Bson().set("hello", 1));
    if (!hello) hello = command("admin", Bson().set("isMaster", 1));
    server_.mongos = hello->text("msg") == "isdbgrid";
    server_.replica_set = hello->has("setName");
    server_.writable = hello->flag("isWritablePrimary") || hello->flag("ismaster");
    server_.snapshots = server_.replica_set && hello->number("maxWireVersion") >= kSnapshotWireVersion &&
                        hello->has("logicalSessionTimeoutMinutes");
    // The first command that needs a login, so that a wrong one is said here; any user may ask it.
    server_.version = command("admin", Bson().set("buildInfo", 1)).text("version");
    server_.major = std::strtoll(server_.version.c_str(), nullptr, 10);
}

MongoConnection::~MongoConnection() = default;

Error MongoConnection::error(const std::string& problem, std::string hint) const {
    return {code_, fmt::format("{} ({}): {}", source_, shown_, without_password(problem, client_->uri_text, client_->password)),
            std::move(hint)};
}

Error MongoConnection::refused(const std::string& what, const void* mongoc_error, const Bson& reply) const {
    const auto* failed = static_cast<const bson_error_t*>(mongoc_error);
    std::string hint = "see the server's log";
    // Cursors and sessions of a server that does not answer are given up: closing each would wait for it once more.
    if (failed->domain == MONGOC_ERROR_SERVER_SELECTION || failed->domain == MONGOC_ERROR_STREAM)
        mongoc().client_reset(client_->client.get());
    const int64_t code = reply.number("code", failed->code);
    if (failed->domain == MONGOC_ERROR_SERVER_SELECTION) hint = "is the server running, and the address right?";
    if (failed->domain == MONGOC_ERROR_STREAM) hint = "the server ended the connection, or hangs: see its log, and `timeout`";
    if (failed->domain == MONGOC_ERROR_CLIENT && failed->code == MONGOC_ERROR_CLIENT_AUTHENTICATE)
        hint = "are user, password and authSource of the address right?";
    if (failed->domain == MONGOC_ERROR_SERVER && code == kUnauthorized)
        hint = "give its user the role `read` (for snapshots) or `readWrite` (for restores) on the database";
    return error(fmt::format("{}: {}", what, printable(failed->message)), hint);
}

std::optional<Bson> MongoConnection::run(const std::string& database, const Bson& command, const std::string& what) {
    const View view(command);
    Reply reply;
    bson_error_t failed{};
    refused_code_ = 0;
    const bool done = mongoc().client_command_with_opts(client_->client.get(), database.c_str(), &view.bson, nullptr, nullptr,
                                                        &reply.bson, &failed);
    Bson answer(bytes_of(&reply.bson), "an answer of MongoDB");
    if (done) return answer;
    if (failed.domain != MONGOC_ERROR_SERVER) throw refused(what.empty() ? "speaking to it" : what, &failed, answer);
    refused_code_ = answer.number("code", failed.code);
    if (what.empty()) return std::nullopt;
    throw refused(what, &failed, answer);
}

Bson MongoConnection::command(const std::string& database, const Bson& command) {
    const std::string json = command.json();
    const size_t name = json.find('"') + 1;
    return *run(database, command, json.substr(name, json.find('"', name) - name));
}

std::optional<Bson> MongoConnection::ask(const std::string& database, const Bson& command) { return run(database, command, ""); }

void MongoConnection::write(const std::string& database, Bson command) {
    Bson concern;
    if (server_.replica_set) concern.set("w", "majority").set("wtimeout", answer_ms_);
    if (!server_.replica_set) concern.set("w", 1);
    const Bson reply = this->command(database, command.set("writeConcern", concern.set("j", true)));
    if (reply.has("writeConcernError")) {
        throw error(fmt::format("a change is not on a majority of its members: {}",
                                printable(reply.document("writeConcernError").text("errmsg"))),
                    "see rs.status(): a member is down or behind");
    }
}

std::vector<std::string> MongoConnection::databases() {
    std::vector<std::string> out;
    const Bson reply = command("admin", Bson().set("listDatabases", 1).set("nameOnly", true).set("authorizedDatabases", true));
    for (const Bson& database : reply.documents("databases")) {
        const std::string name = database.text("name");
        if (name != "admin" && name != "local" && name != "config") out.push_back(name);
    }
    std::sort(out.begin(), out.end());
    return out;
}

std::vector<MongoNamespace> MongoConnection::namespaces(const std::string& database) {
    std::vector<MongoNamespace> out;
    const DatabasePtr held(mongoc().client_get_database(client_->client.get(), database.c_str()));
    const CursorPtr cursor(mongoc().database_find_collections_with_opts(held.get(), nullptr));
    const bson_t* next = nullptr;
    while (mongoc().cursor_next(cursor.get(), &next)) {
        const Bson listed(bytes_of(next), "a line of listCollections");
        MongoNamespace one;
        one.name = listed.text("name");
        if (listed.text("type") == "view") one.kind = MongoNamespace::Kind::view;
        if (listed.text("type") == "timeseries") one.kind = MongoNamespace::Kind::timeseries;
        one.options = listed.document("options").without({"uuid"});
        one.uuid = listed.document("info").binary_hex("uuid");
        out.push_back(std::move(one));
    }
    bson_error_t failed{};
    if (mongoc().cursor_error(cursor.get(), &failed)) throw refused("listCollections of " + printable(database), &failed, {});
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return out;
}

std::vector<Bson> MongoConnection::indexes(const std::string& database, const std::string& collection) {
    std::vector<Bson> out;
    const CollectionPtr held = client_->collection(database, collection);
    const CursorPtr cursor(mongoc().collection_find_indexes_with_opts(held.get(), nullptr));
    const bson_t* next = nullptr;
    while (mongoc().cursor_next(cursor.get(), &next))
        out.push_back(Bson(bytes_of(next), "a line of listIndexes").without({"ns"}));
    bson_error_t failed{};
    if (mongoc().cursor_error(cursor.get(), &failed))
        throw refused(fmt::format("listIndexes of {}.{}", printable(database), printable(collection)), &failed, {});
    std::sort(out.begin(), out.end(), [](const Bson& a, const Bson& b) { return a.text("name") < b.text("name"); });
    return out;
}

int64_t MongoConnection::count(const std::string& database, const std::string& collection) {
    return command(database, Bson().set("count", collection)).number("n", -1);
}

void MongoConnection::begin_snapshot(const std::string& database, const std::string& collection) {
    const std::unique_ptr<mongoc_session_opt_t, Destroy<&MongocLibrary::session_opts_destroy>> opts(mongoc().session_opts_new());
    mongoc().session_opts_set_snapshot(opts.get(), true);
    bson_error_t failed{};
    client_->session.reset();
    client_->session.reset(mongoc().client_start_session(client_->client.get(), opts.get(), &failed));
    if (client_->session == nullptr) throw refused("starting a session", &failed, {});
    Reply one;
    bson_append_int64(&one.bson, "limit", 5, 1);
    client_->in_session(one);
    const CollectionPtr held = client_->collection(database, collection);
    const Bson all;
    const View filter(all);
    const CursorPtr cursor(mongoc().collection_find_with_opts(held.get(), &filter.bson, &one.bson, nullptr));
    const bson_t* next = nullptr;
    while (mongoc().cursor_next(cursor.get(), &next)) {
    }
    if (mongoc().cursor_error(cursor.get(), &failed)) throw refused("fixing a snapshot", &failed, {});
}

void MongoConnection::read(const std::string& database, const std::string& collection, Reading reading, const Each& each) {
    Reply opts;
    const Bson id = Bson().set("_id", 1);
    const View by_id(id);
    if (reading.by_id) {
        bson_append_document(&opts.bson, "sort", 4, &by_id.bson);
        bson_append_document(&opts.bson, "hint", 4, &by_id.bson);
    }
    if (reading.in_snapshot) client_->in_session(opts);
    const CollectionPtr held = client_->collection(database, collection);
    const Bson all;
    const View filter(all);
    const CursorPtr cursor(mongoc().collection_find_with_opts(held.get(), &filter.bson, &opts.bson, nullptr));
    const bson_t* next = nullptr;
    while (mongoc().cursor_next(cursor.get(), &next)) {
        if (code_ == Code::source) check_interrupted();
        each(bytes_of(next));
    }
    bson_error_t failed{};
    const bson_t* said = nullptr;
    refused_code_ = 0;
    if (!mongoc().cursor_error_document(cursor.get(), &failed, &said)) return;
    const Bson reply = said == nullptr ? Bson() : Bson(bytes_of(said), "an answer of MongoDB");
    if (failed.domain == MONGOC_ERROR_SERVER) refused_code_ = reply.number("code", failed.code);
    throw refused(fmt::format("reading {}.{}", printable(database), printable(collection)), &failed, reply);
}

int64_t MongoConnection::count_matching(const std::string& database, const std::string& collection, const Bson& filter,
                                        bool in_snapshot) {
    Reply opts;
    if (in_snapshot) client_->in_session(opts);
    const CollectionPtr held = client_->collection(database, collection);
    const View view(filter);
    bson_error_t failed{};
    const int64_t n = mongoc().collection_count_documents(held.get(), &view.bson, &opts.bson, nullptr, nullptr, &failed);
    if (n < 0) throw refused(fmt::format("counting in {}.{}", printable(database), printable(collection)), &failed, {});
    return n;
}

void MongoConnection::insert(const std::string& database, const std::string& collection, ByteView documents, bool bypass) {
    std::deque<View> views;
    for (size_t at = 0; at < documents.size();) {
        uint32_t length = 0;
        if (!plausible_document(documents.subspan(at), &length) || length > documents.size() - at)
            throw Error(Code::damaged, "documents to be inserted end in the middle of one");
        views.emplace_back(documents.subspan(at, length));
        at += length;
    }
// bson_t is declared with an alignment, which a vector of pointers to it does not need.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-attributes"
    std::vector<const bson_t*> pointers;
#pragma GCC diagnostic pop
    for (const View& view : views) pointers.push_back(&view.bson);
    Reply opts;
    if (bypass) bson_append_bool(&opts.bson, "bypassDocumentValidation", -1, true);
    const CollectionPtr held = client_->collection(database, collection);
    Reply reply;
    bson_error_t failed{};
    if (!mongoc().collection_insert_many(held.get(), pointers.data(), pointers.size(), &opts.bson, &reply.bson, &failed)) {
        throw refused(fmt::format("inserting into {}.{}", printable(database), printable(collection)), &failed,
                      Bson(bytes_of(&reply.bson), "an answer of MongoDB"));
    }
}

}  // namespace ingot
