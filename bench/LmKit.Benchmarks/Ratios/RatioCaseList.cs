using LmKit.Benchmarks.Cases;

namespace LmKit.Benchmarks.Ratios;

/// <summary>Every comparison there is, in the order in which it runs: one line per class of Cases/.</summary>
internal static class RatioCaseList
{
    public static IReadOnlyList<RatioCase> All { get; } =
    [
        .. IdentityVersusIdentity.Cases,
        .. PackedLinearVersusTorchLinear.Cases,
        .. PackedLinearVersusReadingItsBytes.Cases,
        .. H3LayerVersusPlainComposition.Cases,
        .. H3StepVersusTorchOperations.Cases,
        .. HybridTokenVersusTorchOperations.Cases,
        .. HybridDecodingVersusTransformer.Cases,
        .. LateTokenVersusEarlyToken.Cases,
        .. DiagonalKernelVersusNaivePowers.Cases,
        .. PrefillWithStateVersusPlainForward.Cases,
        .. StreamingVersusWholeCall.Cases,
        .. FlashConvVersusTorchFft.Cases,
        .. FlashConvVersusTorchMm.Cases,
        .. FlashConvTwoThreadsVersusOne.Cases,
        .. MonarchLinearVersusTorchBmm.Cases,
        .. LambdaAttentionVersusMaskedSdpa.Cases,
        .. AncestralSamplerVersusPlainTorch.Cases,
    ];

    /// <summary>The cases whose name contains the text, or all that are not reserved for a filter.</summary>
    public static IReadOnlyList<RatioCase> Select(IEnumerable<RatioCase> cases, string? filter) =>
        [.. cases.Where(one => filter is null ? !one.OnlyWhenNamed : one.Name.Contains(filter, StringComparison.OrdinalIgnoreCase))];
}
