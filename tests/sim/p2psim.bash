# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Completion of p2psim(1) for bash. The options are those of its help, the figures those that it lists.

_p2psim() {
        local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}

        COMPREPLY=()
        if [[ $word == '=' ]]; then
                word=
        elif [[ $before == '=' ]]; then
                before=${COMP_WORDS[COMP_CWORD - 2]}
        fi
        case $before in
        --figure)
                mapfile -t COMPREPLY < <(compgen -W "all $(p2psim --list-figures 2>/dev/null | cut -d ' ' -f 1)" -- "$word")
                return
                ;;
        --profile)
                mapfile -t COMPREPLY < <(compgen -W 'local lan wan classic' -- "$word")
                return
                ;;
        --svg)
                compopt -o filenames
                mapfile -t COMPREPLY < <(compgen -f -- "$word")
                return
                ;;
        esac
        if [[ $word == -* ]]; then
                mapfile -t COMPREPLY < <(compgen -W "$(p2psim --help 2>/dev/null | grep -o -- '--[a-z-]*')" -- "$word")
        else
                compopt -o filenames
                mapfile -t COMPREPLY < <(compgen -f -- "$word")
        fi
}
complete -F _p2psim p2psim
