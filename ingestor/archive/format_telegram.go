package archive

import (
	"encoding/json"
	"fmt"
	"strings"

	"rcas/market"
)

var telegram = &format{
	name: "Telegram Desktop's result.json", holds: "posts",
	known: "the list under `messages` of a chat, or of the chats of an account, whose objects have `date` and `from_id`, `date_unixtime` or " +
		"`text_entities`",
	times:  "`date_unixtime`, else `date`, which is the exporter's local time (`--timezone`)",
	ids:    "the chat's `id` and the message's",
	origin: "telegram",
	object: func(k keySet, o *object) bool { return k.any(dateKey) && (k.any(telegramKeys) || o.head != nil) },
	decode: decodeTelegram,
}

var (
	dateKey      = keys("date")
	telegramKeys = keys("from_id", "date_unixtime", "text_entities", "actor_id")
)

func decodeTelegram(o *object, emit func(event) error) error {
	var m struct {
		ID        flexible     `json:"id"`
		Type      string       `json:"type"`
		Date      string       `json:"date"`
		Unix      flexible     `json:"date_unixtime"`
		From      string       `json:"from"`
		FromID    flexible     `json:"from_id"`
		Text      telegramText `json:"text"`
		Forwarded *string      `json:"forwarded_from"`
	}
	if err := o.into(&m); err != nil {
		return err
	}
	if m.Type == "service" {
		return &unreadable{reasonNotice, fmt.Errorf("message %.40q of Telegram itself", m.ID)}
	}
	if m.Text == "" {
		return &unreadable{reasonNoText, fmt.Errorf("message %.40q", m.ID)}
	}
	if m.ID == "" {
		return &unreadable{reason: reasonNoID}
	}
	var chat struct {
		ID   flexible `json:"id"`
		Name string   `json:"name"`
	}
	if o.head != nil {
		_ = json.Unmarshal(o.head, &chat) // without it, messages are told apart by their author and number
	}
	t := &market.Tweet{
		Source: sourceTelegram, ID: first(string(chat.ID), first(chat.Name, string(m.FromID))) + "/" + string(m.ID),
		Author: first(string(m.FromID), first(m.From, chat.Name)), Text: string(m.Text), Repost: m.Forwarded != nil,
	}
	return finish(t, first(string(m.Unix), m.Date), o.cfg.zone(), emit)
}

// telegramText is a text, or a list of texts and of objects that hold one, such as links.
type telegramText string

func (t *telegramText) UnmarshalJSON(data []byte) error {
	if data[0] != '[' {
		return json.Unmarshal(data, (*string)(t))
	}
	var pieces []json.RawMessage
	if err := json.Unmarshal(data, &pieces); err != nil {
		return err
	}
	var b strings.Builder
	for _, piece := range pieces {
		var entity struct{ Text string }
		if piece[0] == '"' {
			if err := json.Unmarshal(piece, &entity.Text); err != nil {
				return err
			}
		} else if err := json.Unmarshal(piece, &entity); err != nil {
			return err
		}
		b.WriteString(entity.Text)
	}
	*t = telegramText(b.String())
	return nil
}
