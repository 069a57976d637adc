using LmKit.Benchmarks.Ratios;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>A training step of a sparse autoencoder against the same losses, constraint, clipping and Adam in libtorch's operations,
/// without the trainer's statistics.</summary>
internal static class AutoencoderStepVersusTorchOperations
{
    private const long Rows = 1024;
    private const long Width = 768;
    private const long Features = 16_384;
    private const int Kept = 64;

    // Kept rows are gathered where few are kept. Top-AFA keeps half of all features in its first steps, so that only the choice and the
    // passes around the products differ.
    internal static IReadOnlyList<RatioCase> Cases { get; } =
    [
        new($"Autoencoder step, TopK {Kept} vs torch operations: rows {Rows}, {Width} to {Features}", Target: 1.0, TunedTarget: 1.0, random => Prepare(random, isTopK: true)) { Tolerance = 1e-3 },
        new($"Autoencoder step, top-AFA vs torch operations: rows {Rows}, {Width} to {Features}", Target: 1.0, TunedTarget: 1.0, random => Prepare(random, isTopK: false)) { Tolerance = 1e-3 },
    ];

    private static RatioSides Prepare(Generator random, bool isTopK)
    {
        var parameters = new ParameterFactory(random);
        SparseAutoencoder ours = isTopK
            ? new TopKAutoencoder(new TopKOptions { ModelDim = Width, FeatureCount = Features, ActiveCount = Kept }, parameters)
            : new TopAfaAutoencoder(Regularised(), parameters);
        var x = randn(Rows, Width, generator: random);
        var task = AutoencoderTask.OnBatches(ours, Enumerable.Range(0, int.MaxValue).Select(_ => x.alias()), new() { Steps = int.MaxValue });
        var trainer = new Trainer(task);
        var plain = new Plain(ours, isTopK);
        return new RatioSides(() => [tensor(plain.Advance(x))], () => [tensor(trainer.Advance()!.Loss)], trainer, task, ours, plain, x);
    }

    private static TopAfaOptions Regularised()
    {
        var options = TopAfaOptions.Regularised();
        (options.ModelDim, options.FeatureCount) = (Width, Features);
        return options;
    }

    // What a user writes: one parameter each, autograd, Adam as in the paper with operations in place.
    private sealed class Plain : IDisposable
    {
        private const double Rate = 3e-4;
        private const double Beta1 = 0.9;
        private const double Beta2 = 0.99;
        private readonly bool isTopK;
        private readonly TopAfaOptions options = Regularised();
        private readonly Parameter encoder;
        private readonly Parameter encoderBias;
        private readonly Parameter decoder;
        private readonly Parameter decoderBias;
        private readonly (Parameter Parameter, Tensor First, Tensor Second)[] moments;
        private int step;

        internal Plain(SparseAutoencoder start, bool isTopK)
        {
            this.isTopK = isTopK;
            (encoder, encoderBias) = (Copy("W_enc"), Copy("b_enc"));
            (decoder, decoderBias) = (Copy("W_dec"), Copy("b_dec"));
            moments = [.. new[] { encoder, encoderBias, decoder, decoderBias }.Select(parameter => (parameter, zeros_like(parameter), zeros_like(parameter)))];

            Parameter Copy(string name) => new(start.get_parameter(name)!.detach().clone());
        }

        internal double Advance(Tensor x)
        {
            foreach (var (parameter, _, _) in moments)
                parameter.grad?.zero_();

            var loss = isTopK ? TopKLoss(x) : TopAfaLoss(x);
            loss.Backward();
            using (no_grad())
            {
                Clip();
                if (!isTopK)
                    decoder.div_(decoder.norm(1, keepdim: true));

                decoder.grad!.sub_((decoder.grad * decoder).sum(1, keepdim: true) / decoder.square().sum(1, keepdim: true) * decoder);
                step++;
                foreach (var (parameter, first, second) in moments)
                    Adam(parameter, first, second);

                if (isTopK)
                    decoder.div_(decoder.norm(1, keepdim: true));
            }

            return loss.item<float>();
        }

        public void Dispose()
        {
            foreach (var (parameter, first, second) in moments)
            {
                parameter.Dispose();
                first.Dispose();
                second.Dispose();
            }
        }

        private Tensor TopKLoss(Tensor x)
        {
            var dense = ((x - decoderBias).mm(encoder) + encoderBias).relu();
            var (values, places) = dense.topk(Kept, -1);
            var codes = zeros_like(dense).scatter(1, places, values);
            return (codes.mm(decoder) + decoderBias - x).square().sum(1).mean();
        }

        private Tensor TopAfaLoss(Tensor x)
        {
            var centred = x - decoderBias;
            var dense = (centred.mm(encoder) + encoderBias).relu();
            Tensor mask;
            using (no_grad())
            {
                var (sorted, order) = (dense * decoder.norm(1)).square().sort(1, descending: true);
                var kept = (sorted.cumsum(1).sqrt() - centred.norm(1, keepdim: true)).abs().argmin(1, keepdim: true) + 1;
                mask = zeros_like(dense).scatter(1, order, arange(Features).unsqueeze(0).lt(kept).to(ScalarType.Float32));
            }

            var codes = dense * mask;
            var error = (codes.mm(decoder) + decoderBias - x).square().mean();
            return error + (codes.sum(1).mean() * options.SparsityCoefficient) + ((codes.norm(1) - x.norm(1)).square().mean() * options.AfaCoefficient);
        }

        private void Clip()
        {
            var norm = Math.Sqrt(moments.Sum(entry => Math.Pow(entry.Parameter.grad!.norm().item<float>(), 2)));
            if (1 / (norm + 1e-6) is < 1 and var factor)
            {
                foreach (var (parameter, _, _) in moments)
                    parameter.grad!.mul_(factor);
            }
        }

        private void Adam(Parameter parameter, Tensor first, Tensor second)
        {
            first.mul_(Beta1).add_(parameter.grad!, alpha: 1 - Beta1);
            second.mul_(Beta2).addcmul_(parameter.grad!, parameter.grad!, 1 - Beta2);
            var scale = second.sqrt().div_(Math.Sqrt(1 - Math.Pow(Beta2, step))).add_(1e-8);
            parameter.addcdiv_(first, scale, -Rate / (1 - Math.Pow(Beta1, step)));
        }
    }
}
