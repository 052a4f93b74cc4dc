package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"rcas/migrations"
)

func newMigrate(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate up|down|version",
		Short: "Make, remove or tell the database's schema",
		Long: `Make, remove or tell the database's schema. The embedded database is brought up by every command that opens it; a
server of your own is not changed unless you say so here.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return errors.New("say what to do: rcas migrate up, down or version")
		},
	}
	up := &cobra.Command{
		Use: "up", Short: "Bring the schema to the newest version and load the assets", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := s.openStore(cmd.Context())
			if err != nil {
				return err
			}
			defer a.Close()
			if err := a.store.Migrate(); err != nil {
				return err
			}
			if err := a.store.SaveAssets(cmd.Context(), s.file.Assets); err != nil {
				return err
			}
			if err := errors.Join(a.setRetention(cmd.Context()), a.store.SetIndexWeights(cmd.Context(), s.file.Index)); err != nil {
				return err
			}
			return printVersion(cmd, a.store.URL())
		},
	}
	var yes bool
	down := &cobra.Command{
		Use: "down", Short: "Remove the schema and everything stored in it", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes {
				return errors.New("this deletes every post, price and sentiment in the database; say --yes if you mean it")
			}
			a, err := s.openStore(cmd.Context())
			if err != nil {
				return err
			}
			defer a.Close()
			if err := migrations.Down(a.store.URL()); err != nil {
				return err
			}
			return printVersion(cmd, a.store.URL())
		},
	}
	down.Flags().BoolVar(&yes, "yes", false, "really delete everything")
	version := &cobra.Command{
		Use: "version", Short: "Print the schema's version", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := s.openStore(cmd.Context())
			if err != nil {
				return err
			}
			defer a.Close()
			return printVersion(cmd, a.store.URL())
		},
	}
	cmd.AddCommand(up, down, version)
	return cmd
}

func printVersion(cmd *cobra.Command, url string) error {
	version, dirty, err := migrations.Version(url)
	if err != nil {
		return err
	}
	latest, err := migrations.Latest()
	if err != nil {
		return err
	}
	if dirty {
		return fmt.Errorf("migration %d failed half-way", version)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "schema version %d of %d\n", version, latest)
	return nil
}
