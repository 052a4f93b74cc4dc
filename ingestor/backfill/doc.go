// Package backfill brings what feeds said before anybody listened: prices as one-minute bars (or trades, where a venue has no bars any
// more), posts by a cursor that was set back. It goes from the newest to the oldest, so that what people look at first is there first.
//
// Bars and trades. A bar becomes four rows of prices, as a bar of an archive does ([market.Bar]). Both kinds of rows are marked as fills
// ([market.Price.Fill]), and so is whatever the live feed brings after its minute is over (a repaired gap, the last trade before it was
// subscribed to). Of these the database keeps, for each minute of a coin at a venue, the kind that was there first. So a minute has its
// trades or its bar, whichever way they overlap, and never both. A bar is asked for at the earliest a minute after its end, when the venue
// has closed it, so that it is whole. A minute with trades may lack some, where the feed began or broke off in it: such a seam shows by the
// trades' numbers, which count one by one, and the missing ones are asked for ([Prices.Join]).
//
// Progress is kept in the database under backfill.<name>: the time wanted, and what of it is done for each product. A process that is
// killed goes on there; what was done is not asked for again. What is stored twice is stored once, as ever.
//
// Pages are not believed blindly. One with minutes that were not asked for is asked for again, and so is one that lacks more minutes in a
// row than is likely for the product ([Unlikely]): up to three answers are put together.
//
// Counters, under the venue's name:
//
//	filled   bars and trades handed on
//	reread   pages asked for again, because they could not be right
//	refused  requests that the venue refused
package backfill
