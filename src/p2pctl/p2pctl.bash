# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Completion of p2pctl(1) for bash. All that is known of its commands, options and peers p2pctl itself says, by a command that is
# not in its help: the first line is what comes, the others are the words. See src/p2pctl/ctl-complete.c.

_p2pctl() {
        local rest=${COMP_LINE:0:COMP_POINT} words=() word blanks breaks cut kind

        # Bash takes words apart at ":", "=" and "@"; p2pctl gets them whole, up to the cursor.
        for word in "${COMP_WORDS[@]:0:COMP_CWORD + 1}"; do
                blanks=${rest%%[^[:blank:]]*}
                if [[ $blanks || ${#words[@]} -eq 0 ]]; then
                        words+=('')
                fi
                rest=${rest#"$blanks"}
                words[-1]+=${rest:0:${#word}}
                rest=${rest:${#word}}
        done
        word=${words[-1]}

        COMPREPLY=()
        { read -r kind && mapfile -t COMPREPLY; } < <(p2pctl complete -- "${words[@]:1}" 2>/dev/null)

        case $kind in
        directories)
                compopt -o filenames +o nosort
                mapfile -t COMPREPLY < <(compgen -d -- "${word#--*=}")
                return
                ;;
        hosts)
                if declare -F _known_hosts_real >/dev/null; then
                        _known_hosts_real -a -- "${word#--*=}"
                fi
                return
                ;;
        esac

        # What is behind the last of these is all that bash replaces, unless there is a quotation mark before it.
        breaks=${COMP_WORDBREAKS//[^:=@]/}
        if [[ $breaks && $word != [\'\"]* ]]; then
                cut=${word%"${word##*["$breaks"]}"}
                COMPREPLY=("${COMPREPLY[@]#"$cut"}")
        fi
        if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then
                compopt -o nospace
        fi
}

complete -o nosort -F _p2pctl p2pctl
