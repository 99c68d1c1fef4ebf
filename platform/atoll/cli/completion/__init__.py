"""Print the shell's completion of manage.py: `source <(python manage.py completion bash)`."""

import argparse

from atoll.cli.completion.candidates import candidates

BASH = r"""
_atoll_manage() {
    local first=1
    if [[ ${COMP_WORDS[0]##*/} == python* ]]; then
        [[ ${COMP_WORDS[1]##*/} == manage.py ]] || return 0
        first=2
    fi
    (( COMP_CWORD >= first )) || return 0
    local IFS=$'\n'
    COMPREPLY=($(compgen -W "$("${COMP_WORDS[@]:0:first}" completion words -- \
        "${COMP_WORDS[@]:first:COMP_CWORD-first}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _atoll_manage manage.py ./manage.py python python3
"""

ZSH = r"""
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -u; }
_atoll_manage() {
    local first=1
    if [[ ${words[1]:t} == python* ]]; then
        [[ ${words[2]:t} == manage.py ]] || { _files; return; }
        first=2
    fi
    (( CURRENT > first )) || { _files; return; }
    local -a found
    found=(${(f)"$("${(@)words[1,first]}" completion words -- \
        "${(@)words[first+1,CURRENT-1]}" 2>/dev/null)"})
    (( $#found )) && compadd -a found || _files
}
compdef _atoll_manage manage.py ./manage.py python python3
"""

FISH = r"""
function __atoll_words
    set -l given (commandline --tokenize --cut-at-cursor --current-process)
    set -l first 1
    if string match --quiet --regex '(^|/)python[0-9.]*$' -- $given[1]
        string match --quiet --regex '(^|/)manage\.py$' -- $given[2]; or return
        set first 2
    end
    set -l command $given[1..$first]
    set -e given[1..$first]
    $command completion words -- $given 2>/dev/null
end
for command in manage.py ./manage.py python python3
    complete --command $command --arguments '(__atoll_words)'
end
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="manage.py completion", description=__doc__)
    parser.add_argument("shell", choices=[*SCRIPTS, "words"], help="words: what can follow, for the scripts")
    parser.add_argument("given", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.shell == "words":
        print("\n".join(candidates(options.given)))
    else:
        print(SCRIPTS[options.shell].strip())
    return 0
