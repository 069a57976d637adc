using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <content>What a request asks of its rows.</content>
public sealed partial class AutoregressiveSampler
{
    /// <summary>How rows are drawn that agree in their options.</summary>
    private sealed record Draw(LogitFilter[] Filters, bool IsGreedy);

    /// <summary>What a request asks of each of its rows.</summary>
    private sealed class Plan
    {
        private readonly long[]? budgets;
        private readonly (Draw Draw, long[] Rows)[] groups;
        private readonly bool[] isGreedy;
        private readonly long[][] stops;

        internal Plan(AutoregressiveSampler sampler, SampleRequest request, long[]? budgets)
        {
            (this.budgets, Edits) = (budgets, request.Edits);
            var rows = (int)request.Prompt.size(0);
            SampleOptions?[] wanted = request.Rows is { Count: > 1 } own ? [.. own] : [request.OptionsOf(0)];
            var draws = new List<(AutoregressiveSamplerOptions Options, IReadOnlyList<LogitFilter> Filters, Draw Draw)>();
            Draw[] all = [.. wanted.Select(Find)];
            isGreedy = [.. all.Select(draw => draw.IsGreedy)];
            groups = [.. all.Select((draw, row) => (draw, (long)row)).GroupBy(pair => pair.draw).Select(group => (group.Key, group.Select(pair => pair.Item2).ToArray()))];
            stops = [.. wanted.Select(options => options?.StopTokens is { Count: > 0 } more ? (long[])[.. sampler.options.StopTokens.Union(more)] : sampler.options.StopTokens)];

            Draw Find(SampleOptions? asked)
            {
                if (asked is null)
                    return sampler.configured;
                var (options, filters) = (sampler.options.Over(asked, sampler.model.VocabSize), asked.Filters ?? []);
                foreach (var known in draws)
                {
                    if (known.Options.DrawsAs(options) && known.Filters.SequenceEqual(filters))
                        return known.Draw;
                }
                var draw = options.DrawsAs(sampler.options) && filters.Count == 0 ? sampler.configured : sampler.DrawOf(options, filters);
                draws.Add((options, filters, draw));
                return draw;
            }
        }

        /// <summary>Edits of its activations.</summary>
        internal HookEdits? Edits { get; }

        /// <summary>The ids (B or 1, S) that end each row, -2 where a row has fewer; null where none has any.</summary>
        internal Tensor? Stops(Device device)
        {
            var most = stops.Max(row => row.Length);
            return most == 0 ? null : tensor(stops.SelectMany(row => row.Concat(Enumerable.Repeat(-2L, most - row.Length))).ToArray(), [stops.Length, most], device: device).DetachFromDisposeScope();
        }

        /// <summary>(B, 1): rows that were given all they can be given; null when there is none.</summary>
        internal Tensor? Full(long count, Device device) =>
            budgets is not null && budgets.Any(budget => budget <= count)
                ? tensor(budgets.Select(budget => budget <= count).ToArray(), [budgets.Length, 1], device: device)
                : null;

        /// <summary>Whether no row can be given more than so many tokens.</summary>
        internal bool EndsAfter(long count) => budgets is not null && budgets.All(budget => budget <= count);

        /// <summary>The logits (B, V) behind each row's filters.</summary>
        internal Tensor Filter(Tensor logits, Tensor grid, long promptLength)
        {
            if (groups.Length == 1)
                return groups[0].Draw.Filters.Aggregate(logits, (current, filter) => filter(current, grid, promptLength));
            var joined = logits.clone();
            foreach (var (draw, rows) in groups)
            {
                var index = tensor(rows, device: logits.device);
                var (own, part) = (grid.index_select(0, index), logits.index_select(0, index));
                foreach (var filter in draw.Filters)
                    part = filter(part, own, promptLength);
                joined.index_copy_(0, index, part.to(joined.dtype));
            }
            return joined;
        }

        /// <summary>A token (B, 1) for each row, drawn with its own generator.</summary>
        internal Tensor Next(Tensor logits, RowGenerators generators)
        {
            if (Array.TrueForAll(isGreedy, greedy => greedy))
                return logits.argmax(-1, keepdim: true);
            var probabilities = HalfPrecision.Widen(logits).softmax(-1).cpu();
            if (generators.Count == 1)
                return probabilities.multinomial(1, true, generators[0]).to(logits.device);
            var drawn = Enumerable.Range(0, generators.Count).Select(row => isGreedy[isGreedy.Length == 1 ? 0 : row]
                ? logits.narrow(0, row, 1).argmax(-1, keepdim: true).cpu()
                : probabilities.narrow(0, row, 1).multinomial(1, true, generators[row]));
            return cat([.. drawn], 0).to(logits.device);
        }
    }
}
