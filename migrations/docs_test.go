package migrations_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rcas/store"
	"rcas/store/storetest"
)

// requireDocumentedSQL runs every statement of docs/sql.md and docs/signals.md. Those of the one paragraph about wrong arguments
// must fail.
func requireDocumentedSQL(t *testing.T, s *store.Store) {
	blocks := regexp.MustCompile("(?s)```sql\n(.*?)```")
	ran, refused := 0, 0
	for _, file := range []string{"../docs/sql.md", "../docs/signals.md"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, block := range blocks.FindAllStringSubmatch(string(text), -1) {
			for sql := range strings.SplitSeq(strings.TrimSpace(block[1]), ";\n") {
				ran++
				if _, err := s.Pool().Exec(t.Context(), sql); err != nil {
					require.ErrorContains(t, err, "22023", "%s: %s", file, sql)
					refused++
				}
			}
		}
	}
	require.Greater(t, ran, 25)
	require.Equal(t, 2, refused)
	documented, err := os.ReadFile("../docs/sql.md")
	require.NoError(t, err)
	for _, row := range storetest.Rows(t, s, `SELECT proname FROM pg_proc AS p WHERE pronamespace = 'public'::regnamespace
		AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = p.oid AND d.deptype = 'e')`) {
		require.Contains(t, string(documented), row[0].(string)+"(", "every public function is described")
	}
}
