using LmKit.Benchmarks.Cases;

namespace LmKit.Benchmarks.Ratios;

/// <summary>Every comparison there is, in the order in which it runs: one line per class of Cases/.</summary>
internal static class RatioCaseList
{
    internal static IReadOnlyList<RatioCase> All { get; } =
    [
        .. IdentityVersusIdentity.Cases,
        .. PackedLinearVersusTorchLinear.Cases,
        .. PackedLinearVersusReadingItsBytes.Cases,
        .. H3LayerVersusKeptKernels.Cases,
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
        .. LambdaAttentionVersusTorchAttention.Cases,
        .. LambdaKernelVersusTorchAttention.Cases,
        .. LambdaKernelVersusTorchMm.Cases,
        .. LambdaTokenVersusFullCache.Cases,
        .. LlamaTokenVersusLlamaCpp.Cases,
        .. LateLlamaTokenVersusEarly.Cases,
        .. CausalTokenVersusTurnedCache.Cases,
        .. LlamaTokenVersusTurnedCache.Cases,
        .. LateKeysVersusEarlyKeys.Cases,
        .. FewKeyHeadsVersusAll.Cases,
        .. AutoencoderStepVersusTorchOperations.Cases,
        .. AdapterStepVersusFullStep.Cases,
        .. ModelLoadVersusReadAndCopy.Cases,
        .. TokenizerVersusReference.Cases,
        .. PublishedLoadVersusFreshRead.Cases,
        .. EmbeddingBatchesVersusTextByText.Cases,
        .. AncestralSamplerVersusPlainTorch.Cases,
    ];

    /// <summary>The names of all cases, as the rows of a table bear them.</summary>
    internal static IReadOnlyList<string> Names { get; } = [.. All.Select(one => one.Name), .. MemoryCaseList.All.Select(one => one.Name + RatioRow.MemoryMark)];

    /// <summary>The cases whose name contains one of the texts, or all that are not reserved for a filter.</summary>
    internal static IReadOnlyList<RatioCase> Select(IEnumerable<RatioCase> cases, IReadOnlyList<string> filters) =>
        [.. cases.Where(one => filters.Count == 0 ? !one.OnlyWhenNamed : filters.Any(filter => Matches(one.Name, filter)))];

    /// <summary>Whether a filter means a case: a part of its name, or its whole name, which means no other case that begins alike.</summary>
    internal static bool Matches(string name, string filter) => Names.Contains(filter, StringComparer.OrdinalIgnoreCase)
        ? name.Equals(filter, StringComparison.OrdinalIgnoreCase)
        : name.Contains(filter, StringComparison.OrdinalIgnoreCase);
}
