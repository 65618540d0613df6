# Prints what a Linux machine is doing, one line of counters for each look. POSIX sh and awk.
# once: the clock and one look. loop SECONDS: a look after each pause, until it is ended.
main() {
    LC_ALL=C
    export LC_ALL

    # Whole disks only: partitions and stacked devices (dm, md) would count twice.
    disks=' '
    for disk in /sys/block/*; do
        case ${disk##*/} in
            loop* | ram* | zram* | dm-* | md* | sr* | fd* | '*') ;;
            *) disks="$disks${disk##*/} " ;;
        esac
    done
    # Adapters with hardware behind them; where there is none (containers), all but loopback.
    nics=' '
    for nic in /sys/class/net/*; do
        [ -e "$nic/device" ] && nics="$nics${nic##*/} "
    done
    files=
    for file in /proc/stat /proc/meminfo /proc/loadavg /proc/diskstats /proc/net/dev /proc/uptime; do
        [ -r "$file" ] && files="$files $file"
    done

    look() {
        # The files' names hold no blanks.
        awk -v disks="$disks" -v nics="$nics" '
            /^cpu / && FILENAME == "/proc/stat" { cpu = $2 " " $3 " " $4 " " $5 " " $6 " " $7 " " $8 " " $9 }
            FILENAME == "/proc/stat" { next }
            $1 == "MemAvailable:" { available = $2 }
            $1 == "SwapTotal:" { swap += $2 }
            $1 == "SwapFree:" { swap -= $2 }
            FILENAME == "/proc/loadavg" { load = $1 }
            FILENAME == "/proc/diskstats" && index(disks, " " $3 " ") { read += $6; written += $10 }
            FILENAME == "/proc/net/dev" && /:/ {
                sub(":", " ")
                if (nics == " " ? $1 != "lo" : index(nics, " " $1 " ")) { received += $2; sent += $10 }
            }
            FILENAME == "/proc/uptime" { now = $1 }
            END { printf "look %s %s %s %.0f %.0f %.0f %.0f %.0f %.0f\n", now, cpu, load, available * 1024, swap * 1024, read * 512, written * 512, received, sent }
        ' $files
    }

    if [ "$1" = once ]; then
        echo "clock $(date +%s.%N) $(cat /proc/uptime)"
        look
    else
        # When nobody reads any more, awk fails and the loop ends.
        while sleep "$2" && look; do :; done
    fi
}
main "$@" </dev/null
