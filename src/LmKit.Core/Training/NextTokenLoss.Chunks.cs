using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

// Summed cross entropy of rows of hidden states, with the logits of a few rows in memory at a time. Forward keeps no logits; backward makes
// those of each chunk again. Loss and gradients are those of all rows at once, up to the order of sums. Each row's loss is computed in float32
// and the chunks are summed in float64, however narrow the model; gradients gather in float32 and come back in the model's dtype.
public static partial class NextTokenLoss
{
    // 64 MiB of float32 logits.
    private const long LogitsAtOnce = 1L << 24;

    /// <summary>Rows whose logits are made at a time when nobody says: as many as keep them within 64 MiB of float32, at least 1.</summary>
    private static long DefaultRows(long vocabSize) => Math.Max(1, LogitsAtOnce / vocabSize);

    /// <summary>The loss, 0-d; a model that does not know its <see cref="ILanguageModel.HeadParameters"/> takes all rows at once.</summary>
    /// <param name="model">The model, whose head is applied.</param>
    /// <param name="rows">Hidden states (N, D).</param>
    /// <param name="targets">Token ids (N).</param>
    /// <param name="chunk">Rows at a time.</param>
    private static Tensor Sum(ILanguageModel model, Tensor rows, Tensor targets, long chunk)
    {
        if (rows.size(0) <= chunk || model.HeadParameters is not { } known)
            return Loss(model, rows, targets);
        Parameter[] head = [.. known.Where(parameter => parameter.requires_grad)];
        return KernelFunction.Run([rows, targets, .. head], () => Forward(model, rows, targets, chunk), (gradient, inputs) => Backward(model, inputs[0], inputs[1], head, chunk, gradient));
    }

    /// <summary>The loss in nats of each row, without a graph.</summary>
    /// <param name="model">The model, whose head is applied.</param>
    /// <param name="rows">Hidden states (N, D).</param>
    /// <param name="targets">Token ids (N).</param>
    internal static double[] Each(ILanguageModel model, Tensor rows, Tensor targets) => Each(model, rows, targets, DefaultRows(model.VocabSize));

    /// <summary>The loss of each row, without a graph; the same arguments.</summary>
    private static double[] Each(ILanguageModel model, Tensor rows, Tensor targets, long chunk)
    {
        using var frozen = no_grad();
        var losses = new List<double>();
        for (long start = 0; start < rows.size(0); start += chunk)
        {
            using var scope = NewDisposeScope();
            var count = Math.Min(chunk, rows.size(0) - start);
            var logits = HalfPrecision.Widen(model.Logits(rows.narrow(0, start, count)));
            var each = nn.functional.cross_entropy(logits, targets.narrow(0, start, count), reduction: nn.Reduction.None);
            losses.AddRange(each.to(ScalarType.Float64).cpu().data<double>());
        }
        return [.. losses];
    }

    private static Tensor Loss(ILanguageModel model, Tensor rows, Tensor targets) =>
        nn.functional.cross_entropy(HalfPrecision.Widen(model.Logits(rows)), targets, reduction: nn.Reduction.Sum);

    private static Tensor Forward(ILanguageModel model, Tensor rows, Tensor targets, long chunk)
    {
        var sum = zeros([], ScalarType.Float64, rows.device);
        for (long start = 0; start < rows.size(0); start += chunk)
        {
            using var scope = NewDisposeScope();
            var count = Math.Min(chunk, rows.size(0) - start);
            sum.add_(Loss(model, rows.narrow(0, start, count), targets.narrow(0, start, count)));
        }
        return sum.to(HalfPrecision.Wide(rows.dtype));
    }

    private static IReadOnlyList<Tensor?> Backward(ILanguageModel model, Tensor rows, Tensor targets, Parameter[] head, long chunk, Tensor gradient)
    {
        using var recorded = enable_grad();
        var rowGradient = empty_like(rows);
        var headGradients = new Tensor?[head.Length];
        List<int> read = [.. Enumerable.Range(0, head.Length)];
        for (long start = 0; start < rows.size(0); start += chunk)
        {
            using var scope = NewDisposeScope();
            var count = Math.Min(chunk, rows.size(0) - start);
            var part = rows.narrow(0, start, count).detach().requires_grad_(true);
            var gradients = autograd.grad([Loss(model, part, targets.narrow(0, start, count))], [part, .. read.Select(index => head[index])], allow_unused: true);
            rowGradient.narrow(0, start, count).copy_(gradients[0] * gradient);
            read = [.. read.Where((_, place) => !gradients[place + 1].IsInvalid)]; // the others are not read, as an adapter that is switched off
            foreach (var (index, headGradient) in read.Zip(gradients.Skip(1).Where(one => !one.IsInvalid)))
            {
                headGradients[index] ??= zeros_like(head[index], HalfPrecision.Wide(head[index].dtype)).MoveToOuterDisposeScope();
                headGradients[index]!.add_(headGradient * gradient);
            }
        }
        return [rows.requires_grad ? rowGradient : null, null, .. headGradients.Zip(head, (sum, parameter) => sum is null ? null : HalfPrecision.Narrow(sum, parameter.dtype))];
    }
}
