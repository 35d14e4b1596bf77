#include "drivers/postgres_database.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.h"

namespace ingot {
namespace {

constexpr std::string_view kMagic = "ingot-postgres 1\n";
// Some KB; thousands of grants make some hundred.
constexpr uint64_t kMostFileBytes = 16 << 20;
constexpr const char* kThis = "(SELECT oid FROM pg_database WHERE datname = current_database())";
// Settings that are lists of names (GUC_LIST_QUOTE in the server): each name is a literal of its own (pg_dump, dumputils.c).
const std::set<std::string> kLists = {"local_preload_libraries",  "search_path",      "session_preload_libraries",
                                      "shared_preload_libraries", "temp_tablespaces", "unix_socket_directories"};
const std::set<std::string> kPrivileges = {"CREATE", "CONNECT", "TEMPORARY"};

std::string escaped(std::string_view value) {
    std::string out;
    for (const char c : value) {
        if (c == '\t') {
            out += "\\t";
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\\') {
            out += "\\\\";
        } else {
            out += c;
        }
    }
    return out;
}

std::vector<std::string> fields_of(std::string_view line) {
    std::vector<std::string> out(1);
    for (size_t i = 0; i < line.size(); ++i) {
        if (line[i] == '\t') {
            out.emplace_back();
        } else if (line[i] == '\\' && i + 1 < line.size()) {
            const char c = line[++i];
            out.back() += c == 't' ? '\t' : c == 'n' ? '\n' : c;
        } else {
            out.back() += line[i];
        }
    }
    return out;
}

// The names of "\"$user\", public": separated by commas, in quotes where they need some.
std::vector<std::string> names_of_list(const std::string& value) {
    std::vector<std::string> out;
    std::string name;
    bool quoted = false, any = false;
    for (size_t i = 0; i < value.size(); ++i) {
        const char c = value[i];
        if (c == '"') {
            if (quoted && i + 1 < value.size() && value[i + 1] == '"') {
                name += value[++i];
            } else {
                quoted = !quoted;
            }
            any = true;
        } else if (c == ',' && !quoted) {
            out.push_back(std::exchange(name, {}));
            any = false;
        } else if (quoted || c != ' ') {
            name += c;
            any = true;
        }
    }
    if (any) out.push_back(name);
    return out;
}

int64_t number_of(const std::string& text) {
    try {
        return std::stoll(text);
    } catch (const std::exception&) {
        throw Error(Code::damaged, "the description of a database holds no number where one should be",
                    "choose another snapshot");
    }
}

}  // namespace

PgDatabase read_pg_database(PgConnection& session) {
    PgDatabase out;
    out.server_version = session.server_version();
    const bool icu = out.server_version >= 150000;
    const char* locale = out.server_version >= 170000 ? "datlocale" : icu ? "daticulocale" : "NULL";
    const PgRows rows = session.query(fmt::format(
        "SELECT d.datname, pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, t.spcname, "
        "d.datconnlimit, {}, {}, shobj_description(d.oid, 'pg_database'), d.datacl IS NOT NULL, "
        "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, pg_database_size(d.oid) "
        "FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace WHERE d.datname = current_database()",
        icu ? "d.datlocprovider" : "'c'", locale));
    const PgRow& row = rows.at(0);
    const auto text = [&](size_t i) { return row.at(i).value_or(""); };
    out.name = text(0), out.owner = text(1), out.encoding = text(2), out.collate = text(3), out.ctype = text(4);
    out.tablespace = text(5), out.connection_limit = number_of(text(6)), out.provider = text(7), out.icu_locale = text(8);
    out.comment = row.at(9);
    out.has_grants = text(10) == "t";
    out.wal_lsn = text(11), out.bytes = number_of(text(12));
    for (const PgRow& each : session.query("SELECT extname, extversion FROM pg_extension ORDER BY extname"))
        out.extensions.push_back({each[0].value_or(""), each[1].value_or("")});
    for (const PgRow& each : session.query(fmt::format(
             "SELECT DISTINCT r.rolname FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid WHERE d.refclassid = "
             "'pg_authid'::regclass AND r.rolname !~ '^pg_' AND (d.dbid = {0} OR (d.classid = 'pg_database'::regclass AND "
             "d.objid "
             "= {0})) ORDER BY 1",
             kThis)))
        out.roles.push_back(each[0].value_or(""));
    for (const PgRow& each : session.query(
             fmt::format("SELECT coalesce(r.rolname, ''), split_part(c, '=', 1), substr(c, strpos(c, '=') + 1) FROM "
                         "pg_db_role_setting s LEFT "
                         "JOIN pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) c WHERE s.setdatabase = {} ORDER BY 1, 2",
                         kThis)))
        out.settings.push_back({each[0].value_or(""), each[1].value_or(""), each[2].value_or("")});
    for (const PgRow& each :
         session.query("SELECT coalesce(r.rolname, ''), a.privilege_type, a.is_grantable FROM pg_database d, "
                       "aclexplode(d.datacl) a LEFT JOIN "
                       "pg_roles r ON r.oid = a.grantee WHERE d.datname = current_database() ORDER BY 1, 2, 3"))
        out.grants.push_back({each[0].value_or(""), each[1].value_or(""), each[2].value_or("") == "t"});
    return out;
}

std::string encode_pg_database(const PgDatabase& database) {
    std::string out(kMagic);
    const auto line = [&](std::initializer_list<std::string_view> fields) {
        const size_t begin = out.size();
        for (const std::string_view field : fields) out += (out.size() == begin ? "" : "\t") + escaped(field);
        out += '\n';
    };
    line({"name", database.name});
    line({"server_version", std::to_string(database.server_version)});
    line({"owner", database.owner});
    line({"encoding", database.encoding});
    line({"collate", database.collate});
    line({"ctype", database.ctype});
    line({"provider", database.provider});
    line({"icu_locale", database.icu_locale});
    line({"tablespace", database.tablespace});
    line({"connection_limit", std::to_string(database.connection_limit)});
    line({"bytes", std::to_string(database.bytes)});
    line({"wal_lsn", database.wal_lsn});
    if (database.comment) line({"comment", *database.comment});
    if (database.has_grants) line({"has_grants"});
    for (const auto& each : database.extensions) line({"extension", each.name, each.version});
    for (const auto& each : database.roles) line({"role", each});
    for (const auto& each : database.settings) line({"setting", each.role, each.name, each.value});
    for (const auto& each : database.grants) line({"grant", each.role, each.privilege, each.grantable ? "grantable" : ""});
    return out;
}

PgDatabase decode_pg_database(std::string_view text) {
    const auto damaged = [](const std::string& why) {
        return Error(Code::damaged, "the description of a database " + why, "choose another snapshot");
    };
    if (!text.starts_with(kMagic)) throw damaged("is none that this version knows");
    text.remove_prefix(kMagic.size());
    PgDatabase out;
    while (!text.empty()) {
        const size_t end = text.find('\n');
        if (end == std::string_view::npos) throw damaged("ends in the middle of a line");
        std::vector<std::string> field = fields_of(text.substr(0, end));
        text.remove_prefix(end + 1);
        const std::string key = field[0];
        // Keys that a later version adds are passed over.
        const size_t wanted = key == "setting" || key == "grant" ? 4 : key == "extension" ? 3 : key == "has_grants" ? 1 : 2;
        if (field.size() < wanted) throw damaged("has a line without its values: " + printable(key));
        if (key == "name") out.name = field[1];
        if (key == "server_version") out.server_version = number_of(field[1]);
        if (key == "owner") out.owner = field[1];
        if (key == "encoding") out.encoding = field[1];
        if (key == "collate") out.collate = field[1];
        if (key == "ctype") out.ctype = field[1];
        if (key == "provider") out.provider = field[1];
        if (key == "icu_locale") out.icu_locale = field[1];
        if (key == "tablespace") out.tablespace = field[1];
        if (key == "connection_limit") out.connection_limit = number_of(field[1]);
        if (key == "bytes") out.bytes = number_of(field[1]);
        if (key == "wal_lsn") out.wal_lsn = field[1];
        if (key == "comment") out.comment = field[1];
        if (key == "has_grants") out.has_grants = true;
        if (key == "extension") out.extensions.push_back({field[1], field[2]});
        if (key == "role") out.roles.push_back(field[1]);
        if (key == "setting") out.settings.push_back({field[1], field[2], field[3]});
        if (key == "grant") out.grants.push_back({field[1], field[2], field[3] == "grantable"});
    }
    if (out.name.empty() || out.encoding.empty() || out.server_version <= 0) throw damaged("is not whole");
    return out;
}

PgDatabase read_pg_database_file(FileSystem& fs, const std::string& path) {
    const Bytes bytes = read_file(fs, path, kMostFileBytes);
    return decode_pg_database(text_of(bytes));
}

std::string create_statement(const PgConnection& session, const PgDatabase& database, const std::string& name) {
    std::string out =
        fmt::format("CREATE DATABASE {} TEMPLATE template0 OWNER {} ENCODING {} LC_COLLATE {} LC_CTYPE {}",
                    session.quoted_name(name), session.quoted_name(database.owner), session.quoted(database.encoding),
                    session.quoted(database.collate), session.quoted(database.ctype));
    if (database.provider == "i" && !database.icu_locale.empty())
        out += " LOCALE_PROVIDER icu ICU_LOCALE " + session.quoted(database.icu_locale);
    if (!database.tablespace.empty() && database.tablespace != "pg_default")
        out += " TABLESPACE " + session.quoted_name(database.tablespace);
    return out;
}

std::vector<std::string> property_statements(const PgConnection& session, const PgDatabase& database, const std::string& name) {
    const std::string quoted = session.quoted_name(name);
    std::vector<std::string> out;
    for (const auto& each : database.settings) {
        std::string value;
        if (kLists.contains(each.name)) {
            for (const std::string& item : names_of_list(each.value)) value += (value.empty() ? "" : ", ") + session.quoted(item);
            if (value.empty()) value = "''";
        } else {
            value = session.quoted(each.value);
        }
        // "work_mem" is a name, and "app.tenant" two.
        std::string setting;
        for (size_t from = 0; from <= each.name.size();) {
            const size_t dot = std::min(each.name.find('.', from), each.name.size());
            setting += (from == 0 ? "" : ".") + session.quoted_name(each.name.substr(from, dot - from));
            from = dot + 1;
        }
        out.push_back(each.role.empty() ? fmt::format("ALTER DATABASE {} SET {} TO {}", quoted, setting, value)
                                        : fmt::format("ALTER ROLE {} IN DATABASE {} SET {} TO {}", session.quoted_name(each.role),
                                                      quoted, setting, value));
    }
    if (database.has_grants) {
        out.push_back(fmt::format("REVOKE ALL ON DATABASE {} FROM PUBLIC", quoted));
        out.push_back(fmt::format("REVOKE ALL ON DATABASE {} FROM {}", quoted, session.quoted_name(database.owner)));
        for (const auto& each : database.grants) {
            if (!kPrivileges.contains(each.privilege)) continue;
            out.push_back(fmt::format("GRANT {} ON DATABASE {} TO {}{}", each.privilege, quoted,
                                      each.role.empty() ? "PUBLIC" : session.quoted_name(each.role),
                                      each.grantable ? " WITH GRANT OPTION" : ""));
        }
    }
    if (database.comment) out.push_back(fmt::format("COMMENT ON DATABASE {} IS {}", quoted, session.quoted(*database.comment)));
    if (database.connection_limit >= 0)
        out.push_back(fmt::format("ALTER DATABASE {} CONNECTION LIMIT {}", quoted, database.connection_limit));
    return out;
}

std::vector<std::string> missing_on_server(PgConnection& session, const PgDatabase& database) {
    std::set<std::string> extensions, roles;
    for (const PgRow& each : session.query("SELECT name FROM pg_available_extensions")) extensions.insert(each[0].value_or(""));
    for (const PgRow& each : session.query("SELECT rolname FROM pg_roles")) roles.insert(each[0].value_or(""));
    std::vector<std::string> out;
    for (const auto& each : database.extensions) {
        if (!extensions.contains(each.name)) out.push_back(fmt::format("extension {} {}", each.name, each.version));
    }
    std::set<std::string> wanted(database.roles.begin(), database.roles.end());
    wanted.insert(database.owner);
    for (const std::string& each : wanted) {
        if (!roles.contains(each)) out.push_back("role " + each);
    }
    return out;
}

}  // namespace ingot
