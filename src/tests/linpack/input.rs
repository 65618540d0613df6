//! Input files of both programs.

use super::params::Settings;

/// Order of the matrix when none is asked for: pbench's.
pub const INTEL_SIZE: u64 = 20_000;
/// The same for hpcc, whose reference library is an order of magnitude slower.
pub const HPCC_SIZE: u64 = 5_000;

/// Returns the leading dimension of a matrix: a little more than its order, so that columns do not
/// fall on the same lines of a cache.
pub fn leading(size: u64) -> u64 {
    (size + 16).next_multiple_of(8)
}

/// Returns the input of Intel's binary: one problem, solved once.
pub fn intel(settings: &Settings, size: u64, leading: u64) -> String {
    format!(
        "{}\n{}\n1 # number of tests\n{size} # problem sizes\n{leading} # leading dimensions\n1 # times to run a test\n{} # alignment values (in KBytes)\n",
        settings.header[0], settings.header[1], settings.alignment
    )
}

/// Returns rows and columns of the process grid: the most square one, wider than high.
pub fn grid(processes: u64) -> (u64, u64) {
    let mut rows = 1;
    let mut candidate = 1;
    while candidate * candidate <= processes {
        if processes.is_multiple_of(candidate) {
            rows = candidate;
        }
        candidate += 1;
    }
    (rows, processes / rows)
}

/// Returns the input of hpcc: one problem, the other lines as HPL's own example has them.
pub fn hpcc(size: u64, block: u64, processes: u64) -> String {
    let (rows, columns) = grid(processes);
    format!(
        "HPLinpack benchmark input file\n\
         written by run-perf\n\
         HPL.out      output file name (if any)\n\
         8            device out (6=stdout,7=stderr,file)\n\
         1            # of problems sizes (N)\n\
         {size}       Ns\n\
         1            # of NBs\n\
         {block}      NBs\n\
         0            PMAP process mapping (0=Row-,1=Column-major)\n\
         1            # of process grids (P x Q)\n\
         {rows}       Ps\n\
         {columns}    Qs\n\
         16.0         threshold\n\
         1            # of panel fact\n\
         2            PFACTs (0=left, 1=Crout, 2=Right)\n\
         1            # of recursive stopping criterium\n\
         4            NBMINs (>= 1)\n\
         1            # of panels in recursion\n\
         2            NDIVs\n\
         1            # of recursive panel fact.\n\
         1            RFACTs (0=left, 1=Crout, 2=Right)\n\
         1            # of broadcast\n\
         1            BCASTs (0=1rg,1=1rM,2=2rg,3=2rM,4=Lng,5=LnM)\n\
         1            # of lookahead depth\n\
         1            DEPTHs (>=0)\n\
         2            SWAP (0=bin-exch,1=long,2=mix)\n\
         64           swapping threshold\n\
         0            L1 in (0=transposed,1=no-transposed) form\n\
         0            U  in (0=transposed,1=no-transposed) form\n\
         1            Equilibration (0=no,1=yes)\n\
         8            memory alignment in double (> 0)\n\
         ##### This line (no. 32) is ignored (it serves as a separator). ######\n\
         0            Number of additional problem sizes for PTRANS\n\
         1200         values of N\n\
         0            number of additional blocking sizes for PTRANS\n\
         40           values of NB\n"
    )
}

#[cfg(test)]
mod unit {
    use serde_json::Map;

    use super::*;

    #[test]
    fn grids_are_as_square_as_they_can_be() {
        for (processes, expected) in [
            (1, (1, 1)),
            (2, (1, 2)),
            (6, (2, 3)),
            (7, (1, 7)),
            (16, (4, 4)),
        ] {
            assert_eq!(grid(processes), expected, "{processes}");
        }
    }

    #[test]
    fn the_defaults_of_intel_are_those_of_pbench() {
        let settings = Settings::read(&Map::new()).expect("good");
        let text = intel(&settings, INTEL_SIZE, leading(INTEL_SIZE));
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(lines[1], "20000 # problem sizes");
        assert_eq!(lines[2], "20016 # leading dimensions");
        assert_eq!(lines.len(), 5);
    }

    #[test]
    fn hpcc_has_its_separator_in_line_32() {
        let text = hpcc(600, 80, 2);
        assert!(text.lines().nth(31).expect("there").contains("no. 32"));
        assert!(
            text.lines().nth(11).expect("there").starts_with("2 "),
            "{text}"
        );
    }
}
