using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>A running sum that keeps every law but the one it is told to break.</summary>
internal sealed class BrokenMixer(BrokenLaw broken, long modelDim) : nn.Module<Tensor, SequenceContext?, Tensor>(nameof(BrokenMixer)), IMixer
{
    public bool IsCausal => broken != BrokenLaw.RefusesWithoutReason;

    public MixerState NewState(long batch) => IsCausal ? new SumState(batch, modelDim, broken) : throw new NotSupportedException();

    public override Tensor forward(Tensor x, SequenceContext? context)
    {
        if (broken != BrokenLaw.AcceptsAnyWidth)
            Shapes.CheckSequence(x, modelDim, nameof(BrokenMixer));
        using var scope = NewDisposeScope();
        var state = context?.State switch { null => null, SumState own => own, var other => throw new ArgumentException(other.GetType().Name) };
        var fresh = state is null ? new SumState(x.size(0), modelDim, broken) : null;
        using (fresh)
        {
            var sums = (state ?? fresh!).Take(x, context?.Segments); // (B, L, D)
            if (broken == BrokenLaw.LeaksFuture && x.size(1) > 1)
                sums = sums + x.roll(-1, 1) * 1e-6;
            if (broken == BrokenLaw.MixesRows)
                sums = sums + x.mean([0L], keepdim: true) * 1e-6;
            if (broken == BrokenLaw.LeavesTensor)
                x.clone().DetachFromDisposeScope();
            if (broken == BrokenLaw.WrongGradient)
                sums = sums + x - x.detach();
            if (broken == BrokenLaw.WritesInput)
                x.add_(0.5);
            return sums.MoveToOuterDisposeScope();
        }
    }

    private sealed class SumState : MixerState
    {
        private readonly BrokenLaw broken;
        private Tensor sum;
        private long[] documents;

        internal SumState(long batch, long modelDim, BrokenLaw broken)
            : this(zeros(batch, modelDim, dtype: ScalarType.Float64), new long[batch], broken)
        {
        }

        private SumState(Tensor sum, long[] documents, BrokenLaw broken)
        {
            this.sum = sum.DetachFromDisposeScope();
            this.documents = documents;
            this.broken = broken;
        }

        public override IReadOnlyDictionary<string, Tensor> Tensors => new Dictionary<string, Tensor> { ["sum"] = sum, ["documents"] = tensor(documents) };

        public override bool CanRollBack => broken is BrokenLaw.GoesBackInNameOnly or BrokenLaw.GoesBackTooFar;

        public override long RollbackRoom => !CanRollBack ? 0 : broken == BrokenLaw.GoesBackTooFar ? Position + 1 : Position;

        protected override void Drop(long columns)
        {
        }

        public override MixerState Fork(Tensor rows)
        {
            using var scope = NewDisposeScope();
            var host = HostValues.Read(rows);
            var copy = broken == BrokenLaw.SharesFork && rows.size(0) == sum.size(0) ? sum.alias() : sum.index_select(0, rows);
            return new SumState(copy, [.. host.Select(row => documents[row])], broken) { Position = Position };
        }

        public override void Restore(IReadOnlyDictionary<string, Tensor> tensors, long position)
        {
            foreach (var name in Tensors.Keys.Where(name => !tensors.ContainsKey(name)))
                throw new ArgumentException($"lacks {name}");
            using var scope = NewDisposeScope();
            sum.Dispose();
            sum = (broken == BrokenLaw.RestoresWithoutCopy ? tensors["sum"].alias() : tensors["sum"].clone()).DetachFromDisposeScope();
            documents = HostValues.Read(tensors["documents"]);
            Position = position;
        }

        public override void Dispose() => sum.Dispose();

        internal Tensor Take(Tensor x, Tensor? segments)
        {
            _ = SequenceLayout.Read(x.size(0), x.size(1), segments, new DocumentCursor(documents.Length));
            var ids = segments is null ? null : HostValues.Read(segments);
            var pieces = new List<Tensor>();
            var running = sum.to(x.dtype);
            for (var column = 0L; column < x.size(1); column++)
            {
                var (keep, take) = (new double[documents.Length], new double[documents.Length]);
                for (var row = 0; row < documents.Length; row++)
                {
                    var document = ids?[row * x.size(1) + column] ?? documents[row];
                    keep[row] = document < 0 || document == documents[row] || broken == BrokenLaw.MixesDocuments ? 1 : 0;
                    take[row] = document < 0 && broken != BrokenLaw.SeesPadding ? 0 : 1;
                    documents[row] = document < 0 ? documents[row] : document;
                }
                var mask = tensor(keep, dtype: x.dtype).unsqueeze(1);
                var taken = tensor(take, dtype: x.dtype).unsqueeze(1);
                running = running * mask + x.select(1, column) * taken;
                pieces.Add(running.unsqueeze(1));
            }
            Position += x.size(1);
            if (broken != BrokenLaw.ForgetsAtCuts)
                Store(running.detach().to(ScalarType.Float64));
            return pieces.Count == 0 ? x.clone() : cat(pieces, 1);
        }

        private void Store(Tensor value)
        {
            if (broken == BrokenLaw.SharesFork)
            {
                using var frozen = no_grad();
                sum.copy_(value);
                return;
            }
            sum.Dispose();
            sum = value.clone().DetachFromDisposeScope();
        }
    }
}
