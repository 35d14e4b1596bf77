#include "cli/completion.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <set>
#include <vector>

#include "base/error.h"
#include "cli/command_table.h"
#include "cli/commands.h"
#include "cli/exit_code.h"

namespace ingot {
namespace {

using Words = std::vector<std::string>;

enum class Kind { nothing, files, folders, words };

struct Value {
    Kind kind = Kind::nothing;
    std::string words;
};

struct Flag {
    Words names;  // "-t", "--tag"
    bool takes_value = false;
    Value value;
    std::string help;
};

struct Operand {
    Value value;
    std::string help;
};

struct CommandNode {
    Words names;       // the command, and its other names
    std::string path;  // "key add"; empty: ingot itself
    std::string help;
    std::vector<Flag> flags;
    std::vector<Operand> operands;
    std::vector<CommandNode> commands;
};

// What a value is, from the word that the help shows for it.
Value value_of(const std::string& type) {
    if (type == "FILE") return {Kind::files, {}};
    if (type == "FOLDER" || type == "DIR") return {Kind::folders, {}};
    if (type == "ID" || type == "WHICH" || type == "A" || type == "B") return {Kind::words, "golden latest"};
    if (type == "SHELL") return {Kind::words, "bash zsh"};
    return {};
}

CommandNode node_of(const CLI::App& app, const std::string& path) {
    CommandNode node;
    node.path = path;
    node.help = app.get_description();
    node.names = {app.get_name()};
    for (const std::string& alias : app.get_aliases()) node.names.push_back(alias);
    for (const CLI::Option* option : app.get_options()) {
        if (option->get_positional()) {
            node.operands.push_back({value_of(option->get_name(true)), option->get_description()});
            continue;
        }
        Flag flag;
        for (const std::string& name : option->get_snames()) flag.names.push_back("-" + name);
        for (const std::string& name : option->get_lnames()) flag.names.push_back("--" + name);
        flag.takes_value = option->get_expected_max() > 0;
        flag.value = value_of(option->get_type_name());
        flag.help = option->get_description();
        node.flags.push_back(std::move(flag));
    }
    for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
        node.commands.push_back(node_of(*sub, path.empty() ? sub->get_name() : path + " " + sub->get_name()));
    }
    return node;
}

std::string joined(const Words& words, std::string_view with = " ") { return fmt::format("{}", fmt::join(words, with)); }

template <class Each>
void for_each_node(const CommandNode& node, const Each& each) {
    each(node);
    for (const CommandNode& sub : node.commands) for_each_node(sub, each);
}

Words command_words(const CommandNode& node) {
    Words out;
    for (const CommandNode& sub : node.commands) out.insert(out.end(), sub.names.begin(), sub.names.end());
    return out;
}

// bash

std::string bash_reply(const Value& value) {
    switch (value.kind) {
        case Kind::files:
            return "_ingot_files -f";
        case Kind::folders:
            return "_ingot_files -d";
        case Kind::words:
            return fmt::format("_ingot_words '{}'", value.words);
        case Kind::nothing:
            break;
    }
    return ":";
}

// "$path:$flag" -> how its value is completed. Flags of ingot itself may follow any command.
std::string bash_values(const CommandNode& root) {
    std::string out;
    for_each_node(root, [&](const CommandNode& node) {
        for (const Flag& flag : node.flags) {
            if (!flag.takes_value) continue;
            Words patterns;
            for (const std::string& name : flag.names)
                patterns.push_back(fmt::format("{}:{}", node.path.empty() ? "*" : "'" + node.path + "'", name));
            out += fmt::format("        {})\n            {}\n            return\n            ;;\n", joined(patterns, " | "),
                               bash_reply(flag.value));
        }
    });
    return out;
}

std::string bash_commands(const CommandNode& root) {
    std::string out;
    for_each_node(root, [&](const CommandNode& node) {
        Words flags;
        for (const Flag& flag : node.flags) flags.insert(flags.end(), flag.names.begin(), flag.names.end());
        out += fmt::format("        '{}')\n            flags=\"{}\"\n            words=\"{}\"\n", node.path, joined(flags),
                           joined(command_words(node)));
        for (size_t i = 0; i < node.operands.size(); ++i) {
            if (node.operands[i].value.kind == Kind::nothing) continue;
            out += fmt::format("            [ $operand = {} ] && reply=\"{}\"\n", i, bash_reply(node.operands[i].value));
        }
        out += "            ;;\n";
    });
    return out;
}

// "$path $word" -> the path with that command taken.
std::string bash_paths(const CommandNode& root) {
    std::string out;
    for_each_node(root, [&](const CommandNode& node) {
        for (const CommandNode& sub : node.commands) {
            Words patterns;
            for (const std::string& name : sub.names) patterns.push_back(fmt::format("'{}:{}'", node.path, name));
            out += fmt::format("            {}) path='{}' ;;\n", joined(patterns, " | "), sub.path);
        }
    });
    return out;
}

std::string flags_with_value(const CommandNode& root) {
    std::set<std::string> names;
    for_each_node(root, [&](const CommandNode& node) {
        for (const Flag& flag : node.flags) {
            if (flag.takes_value) names.insert(flag.names.begin(), flag.names.end());
        }
    });
    return joined(Words(names.begin(), names.end()), " | ");
}

constexpr const char* kBash = R"(# bash completion of ingot, made by `ingot completion bash`.

_ingot_words() {
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$word")
}

_ingot_files() {
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen "$1" -- "$word")
}

_ingot() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local path='' flags='' words='' reply=: operand=0 i each
    COMPREPLY=()
    # "--flag=value" comes as three words.
    if [ "$word" = = ]; then
        word=''
    elif [ "$before" = = ]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        each=${COMP_WORDS[i]}
        case $each in
            @VALUED@)
                i=$((i + 1))
                [ "${COMP_WORDS[i]}" = = ] && i=$((i + 1))
                continue
                ;;
            -* | =) continue ;;
        esac
        case $path:$each in
@PATHS@            *) operand=$((operand + 1)) ;;
        esac
    done
    case $path:$before in
@VALUES@    esac
    case $path in
@COMMANDS@    esac
    case $word in
        -*) _ingot_words "$flags @GLOBAL@" ;;
        *)
            if [ -n "$words" ]; then
                _ingot_words "$words"
            else
                eval "$reply"
            fi
            ;;
    esac
}

complete -F _ingot ingot
)";

// zsh

// Inside a single-quoted argument of _arguments: quotes end it, colons and brackets mean something.
std::string zsh_text(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (c == '\'') {
            out += "'\\''";
        } else {
            if (c == ':' || c == '[' || c == ']' || c == '\\') out += '\\';
            out += c;
        }
    }
    return out;
}

std::string zsh_action(const Value& value) {
    switch (value.kind) {
        case Kind::files:
            return "_files";
        case Kind::folders:
            return "_files -/";
        case Kind::words:
            return "(" + value.words + ")";
        case Kind::nothing:
            return " ";
    }
    return " ";
}

std::string zsh_flag(const Flag& flag) {
    const std::string rest =
        fmt::format("[{}]{}", zsh_text(flag.help), flag.takes_value ? ":value:" + zsh_action(flag.value) : "");
    if (flag.names.size() == 1)
        return fmt::format("'*{}{}{}'", flag.names[0], flag.takes_value && flag.names[0].starts_with("--") ? "=" : "", rest);
    Words names;
    for (const std::string& name : flag.names)
        names.push_back("'*" + name + (flag.takes_value && name.starts_with("--") ? "=" : "") + rest + "'");
    return joined(names, " ");
}

std::string zsh_arguments(const CommandNode& node) {
    std::string out;
    for (const Flag& flag : node.flags) out += " \\\n                " + zsh_flag(flag);
    for (size_t i = 0; i < node.operands.size(); ++i) {
        const Operand& operand = node.operands[i];
        out += fmt::format(" \\\n                '{}:{}:{}'", i + 1, zsh_text(operand.help), zsh_action(operand.value));
    }
    return out;
}

// One function for each level that has commands below it.
std::string zsh_function(const CommandNode& node, const std::string& name) {
    std::string out, names, cases;
    for (const CommandNode& sub : node.commands) {
        const std::string below = name + "_" + sub.names[0];
        for (const std::string& each : sub.names) names += fmt::format("        '{}:{}'\n", each, zsh_text(sub.help));
        const std::string patterns = joined(sub.names, " | ");
        if (sub.commands.empty()) {
            cases += fmt::format("            {})\n                _arguments -S $ingot_flags{}\n                ;;\n", patterns,
                                 zsh_arguments(sub));
        } else {
            cases += fmt::format("            {}) {} ;;\n", patterns, below);
            out += zsh_function(sub, below);
        }
    }
    return out + fmt::format(R"({0}() {{
    local line state
    local -a commands
    commands=(
{1}    )
    _arguments -C $ingot_flags '1:command:->command' '*::argument:->arguments'
    case $state in
        command) _describe -t commands 'ingot command' commands ;;
        arguments)
            case $line[1] in
{2}            esac
            ;;
    esac
}}

)",
                             name, names, cases);
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
    text.replace(text.find(what), what.size(), with);
    return text;
}

std::string bash_script(const CommandNode& root) {
    Words global;
    for (const Flag& flag : root.flags) global.insert(global.end(), flag.names.begin(), flag.names.end());
    std::string out = replaced(kBash, "@VALUED@", flags_with_value(root));
    out = replaced(out, "@PATHS@", bash_paths(root));
    out = replaced(out, "@VALUES@", bash_values(root));
    out = replaced(out, "@COMMANDS@", bash_commands(root));
    return replaced(out, "@GLOBAL@", joined(global));
}

std::string zsh_script(const CommandNode& root) {
    std::string flags;
    for (const Flag& flag : root.flags) flags += "    " + zsh_flag(flag) + "\n";
    return "#compdef ingot\n# zsh completion of ingot, made by `ingot completion zsh`.\n\n" +
           fmt::format("typeset -ga ingot_flags\ningot_flags=(\n{})\n\n", flags) + zsh_function(root, "_ingot") +
           "if [ \"$funcstack[1]\" = _ingot ]; then\n    _ingot \"$@\"\nelse\n    compdef _ingot ingot\nfi\n";
}

}  // namespace

std::string completion_script(const std::string& shell) {
    Arguments arguments;
    RawValues raw;
    CLI::App app("Golden snapshots of RAG stacks", "ingot");
    add_global_flags(app, arguments, raw);
    add_commands(app, arguments, raw);
    app.add_subcommand("help", "Print the help of ingot, or of a command");
    CommandNode root = node_of(app, "");
    root.commands.back().operands = {{{Kind::words, joined(command_words(root))}, "command"}};
    if (shell == "bash") return bash_script(root);
    if (shell == "zsh") return zsh_script(root);
    throw Error(Code::usage, fmt::format("there are completions for bash and zsh, and none for \"{}\"", printable(shell)),
                "ingot completion bash");
}

int cmd_completion(Invocation& run) {
    const std::string script = completion_script(run.arguments.completion.shell);
    run.out.bytes(view_of(script));
    return kExitDone;
}

}  // namespace ingot
