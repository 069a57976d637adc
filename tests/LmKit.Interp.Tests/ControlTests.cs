using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

public class OrthogonalDictionaryConformanceTests : FeatureDictionaryConformance
{
    protected override long FeatureCount => 10;

    protected override double? ActiveLimit => 5;

    protected override long ModelDim => 5;

    protected override IDictionary Create(ScalarType dtype)
    {
        using var random = new Generator(1);
        using var mean = randn([ModelDim], dtype, generator: random);
        return OrthogonalDictionary.Draw(mean, random);
    }
}

[NoTensorLeak]
public class ControlTests
{
    [Fact]
    public void A_beam_of_one_is_greedy_and_a_wide_one_finds_the_best_pair()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(4);
        using var autoencoder = Parameters.Make(parameters => new VanillaAutoencoder(new VanillaOptions { ModelDim = 5, FeatureCount = 9 }, parameters));
        var (a, b) = (new ActivationBatch(randn([60, 5], ScalarType.Float64, generator: random)), new ActivationBatch(randn([60, 5], ScalarType.Float64, generator: random)));
        var greedy = SparseControl.Greedy(autoencoder, a, b, 4);
        var narrow = BeamControl.Search(autoencoder, a, b, 4, 1);
        Close.Check("greedy distances", greedy.Distances, narrow.Distances, absolute: 1e-9);
        Close.Check("greedy edit", greedy.Edited, narrow.Edited, absolute: 1e-9);

        var wide = BeamControl.Search(autoencoder, a, b, 2, 9);
        var delta = (autoencoder.Encode(b) - autoencoder.Encode(a)).unsqueeze(2) * autoencoder.Atoms.unsqueeze(0); // (B, F, D)
        var rest = (a.Values - b.Values).unsqueeze(1).unsqueeze(1) + delta.unsqueeze(1) + delta.unsqueeze(2) * (1 - eye(9, dtype: ScalarType.Float64)).unsqueeze(2);
        Close.Check("best pair", rest.norm(3).amin([1, 2]), wide.Distances.select(1, 1), absolute: 1e-9);
        Close.Check("its edit", (wide.Edited - b.Values).norm(1), wide.Distances.select(1, 1), absolute: 1e-9);
        Assert.True((greedy.Distances.select(1, 1) - wide.Distances.select(1, 1)).min().item<double>() >= -1e-9);
    }

    [Fact]
    public void Parts_of_a_score_add_up_to_it()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(4);
        var attributes = randint(0, 3, [50, 2], ScalarType.Int64, generator: random);
        AttributeBlock[] blocks = [new("a", [0], [3]), new("b", [1], [3])];
        Tensor Normal(params long[] shape) => randn(shape, ScalarType.Float64, generator: random);
        using var queries = SupervisedDictionary.Fit(Normal(50, 4), attributes, blocks);
        using var keys = SupervisedDictionary.Fit(Normal(50, 4), attributes, blocks);
        var (q, k) = (AttentionDecomposition.Parts(queries, attributes), AttentionDecomposition.Parts(keys, attributes));
        var scores = AttentionDecomposition.Scores(q, k);
        Assert.Equal([50, 3, 3], scores.shape);
        Close.Check("score", (queries.call(attributes) * keys.call(attributes)).sum(1) / 2, scores.sum([1, 2]), absolute: 1e-12);

        // The frozen norm is linear: parts composed one by one add up to the whole composed.
        var (output, weight, projection) = (Normal(6, 4), Normal(6), Normal(3, 6));
        var composed = AttentionDecomposition.Compose(q, output, weight, 1.7, projection);
        var written = queries.call(attributes).mm(output.t());
        var normed = (written - written.mean([1L], keepdim: true)) / 1.7 * weight;
        Close.Check("composed", normed.mm(projection.t()), composed.sum(1), absolute: 1e-10);
        Assert.Throws<ArgumentException>(() => AttentionDecomposition.Scores(q, k.narrow(2, 0, 3)));
    }
}
