// Writes what Go's archive/tar makes of headers: a foreign writer, to compare ours with.
//
// Each line of the input is an archive: a JSON list of entries. Each line of the output answers one: the archive's
// bytes as base64, or "error: ..." if Go refuses. An entry without data is written as a header alone.
package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

type entry struct {
	Path, Target, Data, Uname, Gname []byte
	Kind                             byte
	Mode, Size                       int64
	Uid, Gid                         int
}

type archive struct {
	Entries []entry
	Whole   bool
}

func write(given archive) ([]byte, error) {
	var out bytes.Buffer
	to := tar.NewWriter(&out)
	for _, e := range given.Entries {
		header := tar.Header{
			Name: string(e.Path), Linkname: string(e.Target), Typeflag: e.Kind, Mode: e.Mode, Size: e.Size,
			Uid: e.Uid, Gid: e.Gid, Uname: string(e.Uname), Gname: string(e.Gname), ModTime: time.Unix(1, 0),
		}
		if err := to.WriteHeader(&header); err != nil {
			return nil, err
		}
		if _, err := to.Write(e.Data); err != nil {
			return nil, err
		}
	}
	if given.Whole {
		if err := to.Close(); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

func main() {
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var given archive
		if err := json.Unmarshal(line, &given); err != nil {
			panic(err)
		}
		if written, err := write(given); err != nil {
			fmt.Printf("error: %q\n", err)
		} else {
			fmt.Println(base64.StdEncoding.EncodeToString(written))
		}
	}
}
