// The functions of libmongoc that this program calls, loaded when the first of them is.
//
// Linked in the ordinary way the library would run whenever this program starts: 12 ms with a cold cache, and a file of counters
// in shared memory that a killed process leaves behind; the next process of that number then prints a warning of the library's
// on standard error before main(). libbson has nothing of the kind and is linked.
//
// Thread safety: any thread. Errors: Error{failed} where the library is not there.
#pragma once

#include <mongoc/mongoc.h>

namespace ingot {

// clang-format off
#define INGOT_MONGOC_FUNCTIONS(X) \
    X(client_command_with_opts) X(client_destroy) X(client_get_collection) X(client_get_database) X(client_new_from_uri) \
    X(client_reset) X(client_session_append) X(client_session_destroy) X(client_set_appname) X(client_set_error_api) \
    X(client_start_session) \
    X(collection_count_documents) X(collection_destroy) X(collection_find_indexes_with_opts) \
    X(collection_find_with_opts) X(collection_insert_many) \
    X(cursor_destroy) X(cursor_error) X(cursor_error_document) X(cursor_next) \
    X(database_destroy) X(database_find_collections_with_opts) \
    X(session_opts_destroy) X(session_opts_new) X(session_opts_set_snapshot) \
    X(uri_destroy) X(uri_get_database) X(uri_new_with_error) X(uri_set_option_as_bool) X(uri_set_option_as_int32) \
    X(uri_set_password)
// clang-format on

struct MongocLibrary {
#define INGOT_MEMBER(name) decltype(&::mongoc_##name) name;
    INGOT_MONGOC_FUNCTIONS(INGOT_MEMBER)
#undef INGOT_MEMBER
};

// Initialised, and silent: what goes wrong comes back as an error.
const MongocLibrary& mongoc();

}  // namespace ingot
